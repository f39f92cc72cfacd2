"""A job under a watchdog: it ends when its requester is gone.

The process that reads this file does no work. It starts the job as a child, and listens on
its standard input for a byte every few seconds. Where the bytes stop, because the
connection dropped, the other side froze or was killed, the child is ended: nothing runs on
a device that nobody waits for. It also keeps jobs of one device apart, and distinguishes
memory that ran out from a kill by hand.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from .errors import BUSY, INTERNAL, KILLED, LINK_LOST, OUT_OF_MEMORY
from .schema import SCHEMA

_LOCK_TRIES_S = 0.2
PATIENCE_S = 120.0
"""Seconds that a job waits for the one before it on the same device."""


def keep(command: list[str], result_file: Path, *, silence_s: float, lock: str) -> int:
    """Exit status of `command`, or 1 with the reason in `result_file`.

    `silence_s` is how long standard input may stay silent; `lock` is a file that only one job
    holds at a time.
    """
    try:
        held = _hold(lock)
    except _GoneError as error:
        return _say(result_file, LINK_LOST, str(error))
    if held is None:
        message = f"Another job has held the device ({lock}) for {PATIENCE_S:g} s."
        return _say(result_file, BUSY, message)
    kills = _oom_kills()
    wakeup, awake = os.pipe()
    for end in (wakeup, awake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(awake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    ended: list[int] = []
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda given, _frame: ended.append(given))
    gone = _listen(child, wakeup, silence_s, ended)
    if gone:
        _end(child)
        return _say(result_file, LINK_LOST, gone)
    status = child.wait()
    if status >= 0:
        return status
    name = signal.Signals(-status).name
    if -status != signal.SIGKILL:
        return 128 - status
    if _oom_kills() > kills:
        message = "The kernel ended the process because memory ran out."
        return _say(result_file, OUT_OF_MEMORY, message)
    return _say(
        result_file, KILLED, f"{name} from outside ended the process; memory was left."
    )


def _listen(
    child: subprocess.Popen[bytes], wakeup: int, silence_s: float, ended: list[int]
) -> str | None:
    """None when the child ended by itself, else why it must be ended."""
    last_input = time.monotonic()
    while child.poll() is None:
        if ended:
            return f"{signal.Signals(ended[0]).name} requested the end of the job."
        left = last_input + silence_s - time.monotonic()
        if left <= 0:
            return f"The other side was silent for {silence_s:g} s."
        ready, _, _ = select.select([0, wakeup], [], [], left)
        if wakeup in ready:
            os.read(wakeup, 4096)
        if 0 in ready:
            if not os.read(0, 4096):
                return "The connection to the other side ended."
            last_input = time.monotonic()
    return None


def _end(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


class _GoneError(Exception):
    pass


def _hold(path: str) -> Any:
    """The lock file, locked until this process ends; None where it stays taken."""
    try:
        import fcntl
    except ImportError:  # no such thing on this system: nothing to share either
        return True
    file = open(path, "ab")  # noqa: PTH123, SIM115 - open as long as we live
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except OSError:
            if time.monotonic() > end:
                return None
        ready, _, _ = select.select([0], [], [], _LOCK_TRIES_S)
        if ready and not os.read(0, 4096):
            raise _GoneError("The connection ended while the job waited for its turn.")
        if ready:
            time.sleep(_LOCK_TRIES_S)


def _oom_kills() -> int:
    """Number of processes that the kernel has ended for want of memory since it started."""
    try:
        text = Path("/proc/vmstat").read_text()
    except OSError:
        return 0
    found = re.search(r"^oom_kill (\d+)$", text, re.MULTILINE)
    return int(found.group(1)) if found else 0


def _say(file: Path, kind: str, message: str) -> int:
    """Leaves the reason as the job's result."""
    error = {"kind": kind, "message": message}
    content = {"schema": SCHEMA, "kind": "unknown", "error": error}
    print(f"{kind}: {message}", file=sys.stderr)
    try:
        file.write_text(json.dumps(content), encoding="utf-8")
    except OSError as error_:
        print(f"{INTERNAL}: cannot write {file} ({error_.strerror})", file=sys.stderr)
    return 1
