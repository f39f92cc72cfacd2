"""Processes that tests wait for."""

from __future__ import annotations

import contextlib
import time

import psutil


def ended(pid: int, *, timeout_s: float) -> bool:
    """True once process `pid` no longer runs; False where it still does after `timeout_s`.

    A killed process ends some time after the signal was sent, not with the call. A zombie has
    ended: who started it, or a container's first process, may never collect it.
    """
    end = time.monotonic() + timeout_s
    while True:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        if time.monotonic() > end:
            return False
        time.sleep(0.02)


def below(words: str, parent: psutil.Process | None = None) -> list[psutil.Process]:
    """Processes started by `parent` (this one, if None) whose command line has `words`."""
    found = []
    for one in (parent or psutil.Process()).children(recursive=True):
        with contextlib.suppress(
            psutil.NoSuchProcess
        ):  # it ended while it was looked at
            if words in " ".join(one.cmdline()):
                found.append(one)
    return found
