"""RAPL by the kernel's `perf` events, for machines that let nobody read the powercap files.

The event's own counter is 64 bits wide and does not wrap. Boundary: the package, as with `rapl`.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import struct
import time
from pathlib import Path
from typing import NamedTuple

from ..schema import Window

_CALLS = {"x86_64": 298, "aarch64": 241}
_ATTRIBUTES = 120
"""Bytes of `perf_event_attr` in the version that has all we set."""


class _Event(NamedTuple):
    kind: int
    config: int
    joules: float  # of one count
    cpus: list[int]  # one in each package


class Perf:
    """RAPL energy counter, read by `perf_event_open`."""

    name = "perf"
    method = "counter"
    boundary = "package"
    gain_uncertainty = 0.02
    sampler_hz = None
    OPTIONS = ("root",)

    def __init__(self, root: str = "/sys") -> None:
        self._folder = Path(root) / "bus/event_source/devices/power"
        self._files: list[int] = []
        self._first: list[int] = []
        self._start_ns = 0
        self._joules = 0.0

    def available(self) -> str | None:
        """None where the meter can be read, else the reason and the fix."""
        if not self._folder.is_dir():
            return (
                f"{self._folder} does not exist; the kernel counts no power events here"
            )
        try:
            event = self._event()
        except (OSError, ValueError) as error:
            return f"{self._folder} cannot be read ({error})"
        if platform.machine() not in _CALLS:
            return f"no perf system call is known for {platform.machine()}"
        try:
            for file in self._open(event):
                os.close(file)
        except PermissionError:
            return (
                "power events may only be read with CAP_PERFMON; run `sudo sysctl "
                "kernel.perf_event_paranoid=0` to allow it until the next boot"
            )
        except OSError as error:
            return f"the event cannot be opened ({error.strerror})"
        return None

    def begin(self) -> None:
        """Start a window."""
        event = self._event()
        self._joules = event.joules
        self._files = self._open(event)
        self._start_ns = time.perf_counter_ns()
        self._first = [_count(file) for file in self._files]

    def end(self) -> Window:
        """The window since `begin`, in joules and seconds; raises `AgentError`."""
        counts = sum(
            _count(file) - first for file, first in zip(self._files, self._first)
        )
        seconds = (time.perf_counter_ns() - self._start_ns) / 1e9
        for file in self._files:
            os.close(file)
        self._files = []
        joules = counts * self._joules
        return {"joules": joules, "seconds": seconds, "runs": 0, "gap_s": None}

    def cpu_s(self) -> float | None:
        """Processor time of the reader since `begin`; None where nothing reads."""
        return None

    def _event(self) -> _Event:
        code = (self._folder / "events/energy-pkg").read_text()
        found = re.search(r"event=(0x[0-9a-f]+|\d+)", code)
        if not found:
            raise ValueError(f"energy-pkg is {code.strip()!r}")
        return _Event(
            kind=int((self._folder / "type").read_text()),
            config=int(found.group(1), 0),
            joules=float((self._folder / "events/energy-pkg.scale").read_text()),
            cpus=_cpus((self._folder / "cpumask").read_text()),
        )

    def _open(self, event: _Event) -> list[int]:
        """One file for each package, counting from now on."""
        libc = ctypes.CDLL(None, use_errno=True)
        attributes = bytearray(_ATTRIBUTES)
        struct.pack_into("=IIQ", attributes, 0, event.kind, _ATTRIBUTES, event.config)
        memory = (ctypes.c_char * _ATTRIBUTES).from_buffer(attributes)
        files: list[int] = []
        for cpu in event.cpus:
            number = _CALLS[platform.machine()]
            file = libc.syscall(number, memory, -1, cpu, -1, 0)
            if file < 0:
                for opened in files:
                    os.close(opened)
                code = ctypes.get_errno()
                raise OSError(code, os.strerror(code))
            files.append(file)
        return files


def _count(file: int) -> int:
    return int(struct.unpack("=Q", os.read(file, 8))[0])


def _cpus(mask: str) -> list[int]:
    """Numbers of a list such as `0,24-25`."""
    found: list[int] = []
    for part in mask.strip().split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found
