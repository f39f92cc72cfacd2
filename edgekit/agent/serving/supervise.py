"""A small parent for the process that works, so that its end can be explained.

In a container it is process 1, and does what that one must: it passes signals on, reaps orphans,
and outlives a worker that crashed or was killed because memory ran out. It has not imported
numpy or a runtime, so the kernel's choice falls on the worker.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable

from . import limits

OUT_OF_MEMORY = 137
_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_POLL_S = 0.2
_GRACE_S = 10.0


def supervise(work: Callable[[], int], *, until_stdin_closes: bool = False) -> int:
    """The exit code of `work`, run in a process of its own; 128 + n where signal n ended it.

    With `until_stdin_closes` the worker is ended when standard input closes: the engine closes
    it when the client that started the container is gone.
    """
    killed_before = limits.memory().kills or 0
    worker = os.fork()
    if worker == 0:
        raise SystemExit(
            work()
        )  # unwinds as any program: output flushed, defects reported
    for number in _PASSED_ON:
        signal.signal(number, lambda received, _: _send(worker, received))
    code = _ended(worker, until_stdin_closes)
    return _explained(code, killed_before)


def _ended(worker: int, watch_stdin: bool) -> int:
    deadline = None
    while True:
        found, status = os.waitpid(-1, os.WNOHANG if watch_stdin else 0)
        if found == worker:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        if not watch_stdin or found:
            continue
        if deadline is None:
            if _closed(_POLL_S):
                _send(worker, signal.SIGTERM)
                deadline = time.monotonic() + _GRACE_S
        elif time.monotonic() > deadline:
            _send(worker, signal.SIGKILL)
        else:
            time.sleep(_POLL_S)


def _closed(wait_s: float) -> bool:
    """Return whether standard input came to its end within `wait_s`; its content is lost."""
    ready, _, _ = select.select([0], [], [], wait_s)
    return bool(ready) and not os.read(0, 1 << 16)


def _send(worker: int, number: int) -> None:
    try:
        os.kill(worker, number)
    except ProcessLookupError:
        return  # it ended in between


def _explained(code: int, killed_before: int) -> int:
    memory = limits.memory()
    starved = (memory.kills or 0) > killed_before
    if starved:
        _say(_starved(memory.limit_mb, code))
        return OUT_OF_MEMORY
    if code == OUT_OF_MEMORY:
        _say(
            "killed from outside (137): by `docker kill`, or because the machine's memory "
            "ran out."
        )
    elif code > 128 and code - 128 not in _PASSED_ON:
        name = signal.Signals(code - 128).name
        _say(
            f"ended by {name} ({code}): the runtime crashed on this model or processor."
        )
    return code


def _starved(limit_mb: float | None, code: int) -> str:
    limit = "less" if limit_mb is None else f"{limit_mb:.0f} MB"
    more = "" if limit_mb is None else f": docker run --memory {2 * limit_mb:.0f}m ..."
    what = (
        "a process of it was killed although it went on"
        if code == 0
        else "the process was killed (137)"
    )
    return (
        f"out of memory: this container may use {limit}, and {what}. Give it more{more}"
    )


def _say(line: str) -> None:
    print(f"edgekit: {line}", file=sys.stderr, flush=True)
