"""Temporary folders that nobody has to remember: what a dead process left is swept.

The process that made a folder holds a lock on it. The kernel drops the lock however the process
ends, so a folder whose lock is free belongs to nobody; it is removed by the next command that
looks. Locks hold across containers that share a disk, where process ids would not.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # a system without such locks: nothing is swept there
    fcntl = None  # type: ignore[assignment]

SOCKETS = Path("/tmp")
"""Where sockets lie: their paths are short, and a user's TMPDIR may be deep."""
_NAME = re.compile(r"\.(?:.+\.)?edgekit-[0-9a-f]{8}")
_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


@contextmanager
def folder(
    place: Path | None = None, *, of: str = "", private: bool = False
) -> Iterator[Path]:
    """A new hidden folder in `place`, removed at the end unless it was renamed.

    `place` is the system's folder for temporary files by default; `of` becomes part of the name.
    A `private` one, and one in the system's folder, is the user's alone.
    Raises `OSError` where it cannot be made.
    """
    mode = 0o700 if private or place is None else 0o777
    made, lock = _made(place or Path(tempfile.gettempdir()), of, mode)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        if lock is not None:
            os.close(lock)


@contextmanager
def replacing(file: Path, place: Path | None = None) -> Iterator[Path]:
    """A path of the same name to write to; it takes the place of `file` if the block succeeds.

    The path lies in a folder in `place`, which must be on the disk of `file`; beside it by default.
    """
    with folder(place or file.parent) as made:
        partial = made / file.name
        yield partial
        partial.replace(file)


def write(file: Path, content: bytes) -> None:
    """Write `file`, whole or not at all. Raises `OSError`."""
    with replacing(file) as partial:
        partial.write_bytes(content)


def sweep(place: Path, *, below: bool = False) -> None:
    """Remove the folders in `place`, and in the folders in it, that dead processes left."""
    with suppress(OSError):
        for path in place.iterdir():
            if _NAME.fullmatch(path.name):
                _remove_if_free(path)
            elif below and path.is_dir():
                sweep(path)


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Return whether the folder `path` is this process's alone for as long as the block lasts."""
    try:
        lock = _lock(path)
    except OSError:  # somebody else's, or no folder
        lock = None
    try:
        yield lock is not None
    finally:
        if lock is not None:
            os.close(lock)


def full(error: BaseException) -> bool:
    """Return whether a write failed because the disk, the quota or the file's limit is reached."""
    text = str(error)
    if isinstance(error, OSError):
        # NumPy counts what it wrote and keeps no error number.
        return error.errno in _FULL or "requested and" in text
    # PyTorch's writer of archives misses bytes, or finds itself elsewhere than it should be.
    return isinstance(error, RuntimeError) and (
        "PytorchStreamWriter failed" in text
        or ("inline_container" in text and "unexpected pos" in text)
    )


def _made(parent: Path, of: str, mode: int) -> tuple[Path, int | None]:
    prefix = f".{of}." if of else "."
    while True:
        path = parent / f"{prefix}edgekit-{secrets.token_hex(4)}"
        path.mkdir(mode=mode)
        try:
            return path, _lock(path)
        except (BlockingIOError, FileNotFoundError):
            continue  # a sweep was faster


def _lock(path: Path) -> int | None:
    """A descriptor that holds the folder's lock; `None` where there are no locks.

    Raises `BlockingIOError` where another process holds it, `FileNotFoundError` where it has gone.
    """
    if fcntl is None:
        return None
    opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.lstat().st_ino != os.fstat(opened).st_ino:
            raise FileNotFoundError(path)
    except OSError as error:
        os.close(opened)
        if isinstance(error, BlockingIOError | FileNotFoundError):
            raise
        return None  # a network disk without locks
    return opened


def _remove_if_free(path: Path) -> None:
    with suppress(OSError):
        if path.lstat().st_uid != os.getuid():
            return
        with locked(path) as ours:
            if ours:
                shutil.rmtree(path, ignore_errors=True)
