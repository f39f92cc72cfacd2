"""The energy counter of an NVIDIA graphics card (Volta and later), by its own library.

Boundary: the card. Its power reading is not used: it is an average over a second on newer cards.
"""

from __future__ import annotations

import ctypes
import time
from typing import Any

from ..schema import Window

_MESSAGES = {
    3: "the card has no energy counter (older than Volta)",
    4: "this user may not read it",
    9: "the driver is not loaded",
}


class Nvml:
    """Energy counter of an NVIDIA graphics card."""

    name = "nvml"
    method = "counter"
    boundary = "gpu"
    gain_uncertainty = 0.05
    sampler_hz = None
    OPTIONS = ("library", "index")

    def __init__(self, library: str = "libnvidia-ml.so.1", index: int = 0) -> None:
        self._name = library
        self._index = index
        self._library: Any = None
        self._card = ctypes.c_void_p()
        self._first = 0
        self._start_ns = 0

    def available(self) -> str | None:
        """None where the meter can be read, else the reason and the fix."""
        try:
            self._open()
            self._millijoules()
        except OSError as error:
            return f"{error}"
        return None

    def begin(self) -> None:
        """Start a window."""
        self._open()
        self._start_ns = time.perf_counter_ns()
        self._first = self._millijoules()

    def end(self) -> Window:
        """The window since `begin`, in joules and seconds; raises `AgentError`."""
        joules = (self._millijoules() - self._first) / 1e3
        seconds = (time.perf_counter_ns() - self._start_ns) / 1e9
        return {"joules": joules, "seconds": seconds, "runs": 0, "gap_s": None}

    def cpu_s(self) -> float | None:
        """Processor time of the reader since `begin`; None where nothing reads."""
        return None

    def _open(self) -> None:
        if self._library is not None:
            return
        try:
            library = ctypes.CDLL(self._name)
        except OSError:
            raise OSError(
                f"{self._name} does not exist; no NVIDIA driver is here"
            ) from None
        self._check(library.nvmlInit_v2())
        self._check(
            library.nvmlDeviceGetHandleByIndex_v2(
                ctypes.c_uint(self._index), ctypes.byref(self._card)
            )
        )
        self._library = library

    def _millijoules(self) -> int:
        value = ctypes.c_ulonglong()
        self._check(
            self._library.nvmlDeviceGetTotalEnergyConsumption(
                self._card, ctypes.byref(value)
            )
        )
        return value.value

    def _check(self, code: int) -> None:
        if code:
            raise OSError(
                _MESSAGES.get(code, f"{self._name} answered with code {code}")
            )
