"""Watts read many times a second and integrated: the half that meters without a counter share."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from ..errors import FILES, AgentError
from ..schema import Window

Reading = tuple[int, float]
"""Monotonic nanoseconds and watts."""


def integrate(readings: Sequence[Reading]) -> tuple[float, float, float]:
    """Joules by the trapezoid rule, seconds, and the longest gap between two readings."""
    joules, gap_ns = 0.0, 0
    for (before_ns, before_w), (after_ns, after_w) in zip(readings, readings[1:]):
        step_ns = after_ns - before_ns
        joules += (before_w + after_w) / 2 * step_ns / 1e9
        gap_ns = max(gap_ns, step_ns)
    seconds = (readings[-1][0] - readings[0][0]) / 1e9 if readings else 0.0
    return joules, seconds, gap_ns / 1e9


class Sampler:
    """Reads `watts()` every `period_s` in a thread of its own, from `begin` to `end`.

    Reading costs processor time that the measured process then lacks: it is counted.
    """

    def __init__(self, watts: Callable[[], float], period_s: float) -> None:
        self._watts = watts
        self.period_s = period_s
        self._readings: list[Reading] = []
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failed: OSError | ValueError | None = None
        self._cpu_s = 0.0

    def begin(self) -> None:
        """Start a window."""
        self._readings, self._failed, self._cpu_s = [], None, 0.0
        self._stop.clear()
        self._read()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> Window:
        """The window since `begin`, in joules and seconds; raises `AgentError`."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        if self._failed is None:
            self._read()
        if self._failed is not None:
            raise AgentError(
                FILES, f"The energy meter stopped answering ({self._failed})."
            ) from self._failed
        joules, seconds, gap_s = integrate(self._readings)
        return {"joules": joules, "seconds": seconds, "runs": 0, "gap_s": gap_s}

    def cpu_s(self) -> float:
        """Processor time of the reader since `begin`; None where nothing reads."""
        return self._cpu_s

    def _run(self) -> None:
        start = time.thread_time()
        while not self._stop.wait(self.period_s) and self._failed is None:
            self._read()
        self._cpu_s = time.thread_time() - start

    def _read(self) -> None:
        """The moment of a reading is the middle of the time it took."""
        before = time.perf_counter_ns()
        try:
            watts = self._watts()
        except (OSError, ValueError) as error:
            self._failed = error
            return
        self._readings.append(((before + time.perf_counter_ns()) // 2, watts))


class Sampled(ABC):
    """A meter that gives watts. Subclasses define `watts()` and the facts of the meter."""

    def __init__(self, period_s: float) -> None:
        self._sampler = Sampler(self.watts, period_s)
        self.sampler_hz: float | None = 1 / period_s

    @abstractmethod
    def watts(self) -> float:
        """The present reading in watts; raises OSError or ValueError where it cannot be
        read."""

    def begin(self) -> None:
        """Start a window."""
        self._sampler.begin()

    def end(self) -> Window:
        """The window since `begin`, in joules and seconds; raises `AgentError`."""
        return self._sampler.end()

    def cpu_s(self) -> float | None:
        """Processor time of the reader since `begin`; None where nothing reads."""
        return self._sampler.cpu_s()
