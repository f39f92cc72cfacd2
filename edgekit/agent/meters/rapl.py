"""RAPL by the kernel's powercap files: energy of each processor package, counted in hardware.

Boundary: the package, so neither memory modules, disk nor power supply. Domains nest (a package
holds core and uncore; psys holds the package): only packages are summed, one per socket. The
counter wraps at `max_energy_range_uj`; it is read at the ends, and once a second in between to
keep wraps apart at any power.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import NamedTuple

from ..errors import FILES, AgentError
from ..schema import Window

_POLL_S = 1.0


class _Package(NamedTuple):
    counter: Path
    range_uj: int


class Rapl:
    """RAPL energy counter, read from the powercap files."""

    name = "rapl"
    method = "counter"
    boundary = "package"
    gain_uncertainty = 0.02
    """Within about this of metered power on processors since Haswell."""
    sampler_hz = None
    OPTIONS = ("root",)

    def __init__(self, root: str = "/sys") -> None:
        """`root` is where sysfs is mounted; containers may see it elsewhere."""
        self._folder = Path(root) / "class" / "powercap"
        self._packages: list[_Package] = []
        self._last: list[int] = []
        self._microjoules = 0
        self._start_ns = self._read_ns = 0
        self._cpu_s = 0.0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failed: OSError | ValueError | None = None

    def available(self) -> str | None:
        """None where the meter can be read, else the reason and the fix."""
        if not self._folder.is_dir():
            return f"{self._folder} does not exist; the kernel offers no powercap here"
        counters = self._counters()
        if not counters:
            return (
                f"{self._folder} has no intel-rapl package (a virtual machine or a "
                "container hides it)"
            )
        for counter in counters:
            try:
                _number(counter)
            except PermissionError:
                return (
                    f"{counter} may only be read by root since CVE-2020-8694; run "
                    f"`sudo chmod 0444 {counter}` to allow it until the next boot"
                )
            except (OSError, ValueError) as error:
                return f"{counter} cannot be read ({error})"
        return None

    def begin(self) -> None:
        """Start a window."""
        self._packages = [
            _Package(counter, _number(counter.parent / "max_energy_range_uj"))
            for counter in self._counters()
        ]
        self._microjoules = 0
        self._cpu_s, self._failed = 0.0, None
        self._stop.clear()
        before = time.perf_counter_ns()
        self._last = [_number(package.counter) for package in self._packages]
        self._start_ns = self._read_ns = (before + time.perf_counter_ns()) // 2
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> Window:
        """The window since `begin`, in joules and seconds; raises `AgentError`."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        try:
            if self._failed is None:
                self.poll()
        except (OSError, ValueError) as error:
            self._failed = error
        if self._failed is not None:
            raise AgentError(
                FILES, f"The energy counter stopped answering ({self._failed})."
            ) from self._failed
        seconds = (self._read_ns - self._start_ns) / 1e9
        joules = self._microjoules / 1e6
        return {"joules": joules, "seconds": seconds, "runs": 0, "gap_s": None}

    def cpu_s(self) -> float | None:
        """Processor time of the reader since `begin`; None where nothing reads."""
        return self._cpu_s

    def poll(self) -> None:
        """Adds what was counted since the last reading, whose moment is the middle of it."""
        before = time.perf_counter_ns()
        for i, package in enumerate(self._packages):
            now = _number(package.counter)
            wrapped = package.range_uj if now < self._last[i] else 0
            self._microjoules += now + wrapped - self._last[i]
            self._last[i] = now
        self._read_ns = (before + time.perf_counter_ns()) // 2

    def _watch(self) -> None:
        start = time.thread_time()
        while not self._stop.wait(_POLL_S) and self._failed is None:
            try:
                self.poll()
            except (OSError, ValueError) as error:
                self._failed = error
        self._cpu_s = time.thread_time() - start

    def _counters(self) -> list[Path]:
        """Counters of whole packages: `intel-rapl:0`, not `intel-rapl:0:0` inside of it."""
        found = []
        for zone in sorted(self._folder.glob("intel-rapl:*")):
            name = zone / "name"
            whole = zone.name.count(":") == 1 and name.is_file()
            if whole and name.read_text().startswith("package"):
                found.append(zone / "energy_uj")
        return found


def _number(file: Path) -> int:
    return int(file.read_text())
