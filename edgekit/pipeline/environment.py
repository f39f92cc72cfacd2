"""Resources of a build in this process, which are not part of the request."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from edgekit.agent import machine
from edgekit.devices import Device
from edgekit.devices.local import LocalDevice
from edgekit.distill import tasks
from edgekit.pipeline.samples import Held
from edgekit.program.program import Program
from edgekit.progress import Progress, Silent
from edgekit.store import Json, Stage, Store, kept
from edgekit.types import Target

_Facts = dict[str, dict[str, str | None]]
_RUNTIMES = Json[_Facts](_Facts)


@dataclass(frozen=True, kw_only=True)
class InMemory:
    """Objects in the caller's memory, in place of files that the project names."""

    network: Program
    samples: Mapping[str, Held] = field(default_factory=dict)
    """By the name that `[data]` gives them; other names are read from files."""
    task: tasks.Task | None = None
    """Where losses or metric are functions in memory."""
    mark: str = ""
    """Store keys of those functions; empty where there are none."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The device, the store and the progress display of one process."""

    device: Device
    store: Store
    progress: Progress
    in_memory: InMemory | None = None

    @property
    def proven(self) -> bool:
        """Return whether timings taken here are the target's own."""
        return self.device.provenance == "device"

    @cached_property
    def probe(self) -> dict[str, Any]:
        """Inventory of the device, probed once: each probe loads every runtime in a process."""
        if type(self.device) is not LocalDevice:  # others have inventories of their own
            return self.device.probe()
        stage = Stage(
            kind="runtimes",
            title="Look at this machine",
            inputs={
                "machine": self.device.fingerprint(),
                "python": self.device.python,
                # Renewed where a package is installed or removed.
                "packages": [_installed(Path(place)) for place in sys.path],
            },
            record=_RUNTIMES,
            portable=False,
        )

        def make() -> _Facts:
            found: _Facts = self.device.probe()["runtimes"]
            return found

        runtimes = kept(self.store, stage, make, Silent())
        return {"machine": machine.facts(), "runtimes": runtimes}

    @property
    def runtimes(self) -> dict[str, str]:
        """The runtimes the device has, and their versions."""
        found = self.probe["runtimes"]
        return {
            name: fact["version"] for name, fact in found.items() if fact["version"]
        }

    def observed(self, target: Target) -> Target:
        """`target` with the instructions that the attached device has, where that is one."""
        if not self.proven:
            return target
        return replace(target, isa=tuple(self.probe["machine"]["isa"]))

    @property
    def mark(self) -> str:
        """Store keys of functions in memory; empty where there are none."""
        return self.in_memory.mark if self.in_memory else ""

    @property
    def held(self) -> Mapping[str, Held]:
        """Samples that the caller holds in memory, by the name that `[data]` gives them."""
        return self.in_memory.samples if self.in_memory else {}


def _installed(place: Path) -> list[str]:
    """The packages in a folder, with their versions, by their metadata's names."""
    metadata = (".dist-info", ".egg-info")
    try:
        return sorted(each.name for each in place.iterdir() if each.suffix in metadata)
    except OSError:  # nothing is imported from there either
        return []
