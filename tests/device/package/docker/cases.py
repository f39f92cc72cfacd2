"""Images that the tests build, and the processors that run them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgekit.devices.emulated import cpuinfo

REPOSITORY = Path(__file__).parents[4]
BUNDLE = "EDGEKIT_TEST_BUNDLE"
RUN_S = 600.0
"""The longest that a container of these tests may run."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A platform, the runtime of its image and the core that QEMU stands in for."""

    platform: str
    runtime: str
    core: str | None
    int8_steps: int = 0
    """Allowed distance of an int8 output from its reference, in steps of the output's scale."""
    int8_kernels: str = "XNNPACK"
    why: str = "the same kernels, rounding and all"

    def options(self, folder: Path) -> list[str]:
        """Arguments of `docker run` for QEMU to be this core; the kernel's list goes to
        `folder`."""
        if self.core is None:
            return []
        listing = folder / f"cpuinfo-{self.core}"
        listing.write_text(cpuinfo(self.core))
        return ["-e", f"QEMU_CPU={self.core}", "-v", f"{listing}:/proc/cpuinfo:ro"]


CASES = (
    Case(platform="linux/amd64", runtime="litert", core=None),
    Case(platform="linux/arm64", runtime="litert", core="cortex-a72"),
    Case(
        platform="linux/arm/v7",
        runtime="tflite-runtime",
        core="cortex-a7",
        int8_steps=1,
        int8_kernels="reference",
        why="tflite-runtime 2.14 runs this graph on its own kernels, which round in fixed "
        "point as the reference does; XNNPACK rounds in float",
    ),
)


def wait(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.3)
    return condition()
