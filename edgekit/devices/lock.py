"""Turns on this machine: two things that are timed at once slow each other down.

`local` and every container share its processors, so their timed jobs take turns over one lock of
the user's, whatever process they are of. Devices of their own keep such a lock themselves.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgekit.errors import DeviceBusy

TIMED = ("bench", "energy", "microbenchmark", "profile")
"""Kinds of jobs that another one would disturb."""
LOCK = "EDGEKIT_LOCK"
"""Environment variable that names the lock's file, for users or containers that share it."""
PATIENCE_S = 900.0
_LOOK_S = 0.1
_TELL_S = 3.0
_LOG = logging.getLogger(__name__)


@contextlib.contextmanager
def turn(job: Mapping[str, Any], *, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Holds this machine while the block lasts, where `job` times anything.

    Raises DeviceBusy, naming who holds it, after `patience_s`.
    """
    if job["kind"] not in TIMED:
        yield
        return
    try:
        import fcntl
    except ImportError:  # a system without such locks
        yield
        return
    path = _path()
    try:
        lock = os.open(
            path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
    except OSError as error:
        raise DeviceBusy(
            f"Cannot take turns over {path} ({error.strerror}). Remove it, or name another "
            f"file with {LOCK}."
        ) from error
    try:
        began, announced = time.monotonic(), False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                waited_s = time.monotonic() - began
                if waited_s > patience_s:
                    raise DeviceBusy(_busy(lock, path, patience_s)) from None
            if waited_s > _TELL_S and not announced:
                announced = True
                _LOG.warning(
                    "Process %s is timing something on this machine: waiting for it.",
                    _holder(lock),
                )
            time.sleep(_LOOK_S)
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(lock)


def _path() -> Path:
    if named := os.environ.get(LOCK):
        return Path(named)
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir()) / f"edgekit-{user}.lock"


def _busy(lock: int, path: Path, patience_s: float) -> str:
    return (
        f"Something else is being timed on this machine (process {_holder(lock)} holds {path}) "
        f"for {patience_s:g} s. Wait until it has finished, then start the command again."
    )


def _holder(lock: int) -> str:
    return os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
