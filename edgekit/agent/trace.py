"""State of the machine while something was timed: clock, heat, throttling, load.

Read before and after a timed part, and between the bins of a sustained run, never inside of a
timed inference. A figure that a machine does not give is null.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from pathlib import Path

from .schema import Conditions

_CPU = "sys/devices/system/cpu"
_THROTTLED_NOW = 0xF
"""Bits of a Raspberry Pi's firmware for under-voltage, a capped clock, throttling and the
soft temperature limit, now; the same bits 16 higher mean that it happened since boot."""


def conditions(root: str = "/") -> Conditions:
    """One look at the machine; `root` is where its /proc and /sys are."""
    top = Path(root)
    return {
        "at_ns": time.perf_counter_ns(),
        "governor": _text(top / _CPU / "cpu0/cpufreq/scaling_governor"),
        "freq_mhz": _freq_mhz(top),
        "temp_c": _temp_c(top),
        "throttled": _throttled(top),
        "throttle_count": _throttle_count(top),
        "quota_stalls": _quota_stalls(top),
        "load": _load(top),
        "on_battery": _on_battery(top),
    }


def choose_cpus(threads: int, root: str = "/") -> list[int] | None:
    """The processors to pin to: the fastest that this process may use, the last of them first.

    Interrupts are served by the first ones, mostly. None where pinning is impossible or would
    leave fewer processors than threads.
    """
    if not hasattr(os, "sched_getaffinity"):
        return None
    allowed = sorted(os.sched_getaffinity(0))
    if threads > len(allowed):
        return None
    top = Path(root)
    order = sorted(allowed, key=lambda cpu: (_capacity(top, cpu), cpu), reverse=True)
    return sorted(order[:threads])


def pin(threads: int, root: str = "/") -> list[int] | None:
    """Pins this process, and the threads it starts from now on; the processors it has then."""
    cpus = choose_cpus(threads, root)
    if cpus is None:
        return None
    try:
        os.sched_setaffinity(0, cpus)
    except OSError:
        return None
    return cpus


def _capacity(top: Path, cpu: int) -> int:
    """Speed of a processor relative to the others: big cores before little ones."""
    for name in ("cpu_capacity", "cpufreq/cpuinfo_max_freq"):
        value = _number(top / _CPU / f"cpu{cpu}" / name)
        if value is not None:
            return value
    return 0


def _freq_mhz(top: Path) -> float | None:
    """The slowest processor's clock among those this process may use."""
    cpus: Sequence[int] = (0,)
    if hasattr(os, "sched_getaffinity"):
        cpus = sorted(os.sched_getaffinity(0))
    found = [_number(top / _CPU / f"cpu{cpu}/cpufreq/scaling_cur_freq") for cpu in cpus]
    known = [value for value in found if value is not None]
    return min(known) / 1e3 if known else None


def _temp_c(top: Path) -> float | None:
    zones = (top / "sys/class/thermal").glob("thermal_zone*/temp")
    found = [value for value in map(_number, sorted(zones)) if value is not None]
    return max(found) / 1e3 if found else None


def _throttled(top: Path) -> bool | None:
    """Return whether a Raspberry Pi's firmware holds the clock down at this moment."""
    for place in ("soc/soc:firmware", "soc@107c000000/soc@107c000000:firmware"):
        text = _text(top / "sys/devices/platform" / place / "get_throttled")
        if text is not None:
            try:
                return bool(int(text, 16) & _THROTTLED_NOW)
            except ValueError:
                return None
    return None


def _throttle_count(top: Path) -> int | None:
    """Number of times an Intel processor slowed itself down for heat since it started."""
    files = (top / _CPU).glob("cpu[0-9]*/thermal_throttle/package_throttle_count")
    found = [value for value in map(_number, files) if value is not None]
    return max(found) if found else None


def _quota_stalls(top: Path) -> int | None:
    """Number of times this control group's processor quota was used up."""
    group = top / "sys/fs/cgroup"
    for name in ("cpu.stat", "cpu/cpu.stat"):
        found = re.search(
            r"^nr_throttled (\d+)", _text(group / name) or "", re.MULTILINE
        )
        if found:
            return int(found.group(1))
    return None


def _load(top: Path) -> float | None:
    """Processes that wanted a processor over the last minute, by processor."""
    text = _text(top / "proc/loadavg")
    try:
        return float(text.split()[0]) / (os.cpu_count() or 1) if text else None
    except (ValueError, IndexError):
        return None


def _on_battery(top: Path) -> bool | None:
    """Return whether a battery feeds the machine; processors are often held back then."""
    states = (top / "sys/class/power_supply").glob("*/status")
    found = [_text(state) for state in states]
    return "Discharging" in found if found else None


def _number(file: Path) -> int | None:
    text = _text(file)
    try:
        return int(text) if text else None
    except ValueError:
        return None


def _text(file: Path) -> str | None:
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return None
