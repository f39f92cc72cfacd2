"""A meter outside: lines of watts, or of volts and amperes, from a serial port or a growing file.

Option `path` names it; `columns` names its comma-separated columns (`watts`, or
`volts,amperes`; others are skipped as `-`). The port's speed is set beforehand (`stty`).
"""

from __future__ import annotations

import os
import select
import threading
import time
from pathlib import Path

from ..errors import FILES, JOB_INVALID, AgentError
from ..schema import Window
from .sampling import Reading, integrate

_FIRST_S = 3.0
_KNOWN = ("watts", "volts", "amperes", "-")


class Serial:
    """Power readings of an external meter on a serial port or in a file."""

    name = "serial"
    method = "external"
    gain_uncertainty = 0.02
    sampler_hz: float | None = None
    OPTIONS = ("path", "columns", "boundary", "gain_uncertainty")

    def __init__(
        self,
        path: str = "",
        columns: str = "watts",
        boundary: str = "wall",
        gain_uncertainty: float = 0.02,
    ) -> None:
        self._path = Path(path)
        self._columns = columns.split(",")
        self.boundary = boundary
        self.gain_uncertainty = gain_uncertainty
        self._readings: list[Reading] = []
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._cpu_s = 0.0
        self._begun = 0
        wrong = [name for name in self._columns if name not in _KNOWN]
        if wrong:
            known = ", ".join(_KNOWN)
            raise AgentError(
                JOB_INVALID, f"A meter's column cannot be {wrong[0]!r}. Known: {known}."
            )

    def available(self) -> str | None:
        """None where the meter can be read, else the reason and the fix."""
        if not str(self._path) or self._path == Path():
            return "the option `path` of the meter is missing"
        try:
            file = self._open()
        except OSError as error:
            return f"{self._path} cannot be read ({error.strerror})"
        os.close(file)
        self.begin()
        end = time.monotonic() + _FIRST_S
        while not self._readings and time.monotonic() < end:
            time.sleep(0.05)
        self._finish()
        if not self._readings:
            return f"{self._path} gave no line of {','.join(self._columns)} within {_FIRST_S:g} s"
        return None

    def begin(self) -> None:
        """Start a window."""
        self._readings, self._cpu_s = [], 0.0
        self._begun = time.perf_counter_ns()
        self._stop.clear()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def end(self) -> Window:
        """The window since `begin`, in joules and seconds; raises `AgentError`."""
        seconds = self._finish()
        if len(self._readings) < 2:
            raise AgentError(
                FILES, f"The meter {self._path} gave fewer than two lines."
            )
        joules, covered, gap_s = integrate(self._readings)
        self.sampler_hz = (len(self._readings) - 1) / covered if covered else None
        # Its first and last line come when they come: their power stands for the ends.
        joules *= seconds / covered if covered else 1.0
        return {"joules": joules, "seconds": seconds, "runs": 0, "gap_s": gap_s}

    def cpu_s(self) -> float | None:
        """Processor time of the reader since `begin`; None where nothing reads."""
        return self._cpu_s

    def _finish(self) -> float:
        seconds = (time.perf_counter_ns() - self._begun) / 1e9
        self._stop.set()
        if self._thread:
            self._thread.join()
        return seconds

    def _open(self) -> int:
        return os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)

    def _read(self) -> None:
        """Read every complete new line; lines that are already in a file are of an earlier
        time."""
        start = time.thread_time()
        file = self._open()
        rest = b""
        try:
            if self._path.is_file():
                os.lseek(file, 0, os.SEEK_END)
            while not self._stop.is_set():
                if not self._path.is_file():
                    select.select([file], [], [], 0.1)
                try:
                    chunk = os.read(file, 4096)
                except BlockingIOError:
                    chunk = b""
                if not chunk:
                    self._stop.wait(0.02)
                *lines, rest = (rest + chunk).split(b"\n")
                now = time.perf_counter_ns()
                for line in lines:
                    watts = self._watts(line.decode(errors="replace"))
                    if watts is not None:
                        self._readings.append((now, watts))
        finally:
            os.close(file)
            self._cpu_s = time.thread_time() - start

    def _watts(self, line: str) -> float | None:
        """None for a line that is none of ours: a header, or half of one."""
        parts = line.strip().split(",")
        if len(parts) < len(self._columns):
            return None
        try:
            found = {
                name: float(part)
                for name, part in zip(self._columns, parts)
                if name != "-"
            }
        except ValueError:
            return None
        if "watts" in found:
            return found["watts"]
        return found["volts"] * found["amperes"]
