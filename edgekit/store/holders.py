"""One maker at a time: a second build waits for the first one's stage, and then has it.

The kernel drops the lock however its holder ends. The lock's file names the holder.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # a system without such locks: both builds make the stage
    fcntl = None  # type: ignore[assignment]


@contextmanager
def alone(
    file: Path, say: Callable[[str], None], *, what: str = "makes this stage"
) -> Iterator[None]:
    """Hold the lock `file` for as long as the block lasts; wait for its holder, and name it.

    `what` its holder does, in words. Nothing is held where the folder cannot be written or its disk
    has no locks.
    """
    held = _held(file, lambda holder: say(f"{holder} {what}: waiting for it"))
    try:
        yield
    finally:
        if held is not None:
            with suppress(OSError):
                file.unlink()
            os.close(held)


def _held(file: Path, say: Callable[[str], None]) -> int | None:
    if fcntl is None:
        return None
    while True:
        try:
            opened = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:
            return None
        try:
            if _locked(opened, file, say):
                text = f"process {os.getpid()} on {platform.node()}"
                os.ftruncate(opened, 0)
                os.pwrite(opened, text.encode(), 0)
                return opened
        except OSError:  # a disk without locks
            os.close(opened)
            return None
        except BaseException:
            os.close(opened)
            raise
        os.close(opened)  # its holder removed it meanwhile


def _locked(opened: int, file: Path, say: Callable[[str], None]) -> bool:
    """Lock an opened file; return whether it still is the one of that name."""
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(opened, 200, 0).decode(errors="replace") or "Another build"
        say(f"{holder[0].upper()}{holder[1:]}")
        fcntl.flock(opened, fcntl.LOCK_EX)
    try:
        return file.lstat().st_ino == os.fstat(opened).st_ino
    except FileNotFoundError:
        return False
