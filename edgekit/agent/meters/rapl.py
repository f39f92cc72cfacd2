"""RAPL by the kernel's powercap files: energy of each processor package, counted in hardware.

Boundary: the package, so neither memory modules, disk nor power supply. Domains nest (a package
holds core and uncore; psys holds the package): only packages are summed, one per socket. The
counter wraps at `max_energy_range_uj`; reads once a second keep wraps apart at any power.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple


class _Package(NamedTuple):
    counter: Path
    range_uj: int


class Rapl:
    name = "rapl"
    method = "counter"
    boundary = "package"

    def __init__(self, root: str = "/sys") -> None:
        """`root` is where sysfs is mounted; containers may see it elsewhere."""
        self._folder = Path(root) / "class" / "powercap"
        self._packages: list[_Package] = []
        self._last: list[int] = []
        self._microjoules = 0
        self._start_ns = 0

    def available(self) -> str | None:
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
        self._packages = [
            _Package(counter, _number(counter.parent / "max_energy_range_uj"))
            for counter in self._counters()
        ]
        self._microjoules = 0
        self._start_ns = time.perf_counter_ns()
        self._last = [_number(package.counter) for package in self._packages]

    def poll(self) -> None:
        for i, package in enumerate(self._packages):
            now = _number(package.counter)
            wrapped = package.range_uj if now < self._last[i] else 0
            self._microjoules += now + wrapped - self._last[i]
            self._last[i] = now

    def end(self) -> tuple[float, float]:
        self.poll()
        seconds = (time.perf_counter_ns() - self._start_ns) / 1e9
        return self._microjoules / 1e6, seconds

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
