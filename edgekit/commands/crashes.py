"""Exceptions that EdgeKit did not raise on purpose: the machine's limits by name, the rest as
crash reports."""

from __future__ import annotations

import errno
import os
import platform
import re
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import edgekit
from edgekit import scratch
from edgekit.errors import (
    EdgeKitError,
    OutOfMemory,
    OutputError,
    RuntimeMissing,
    UsageError,
)
from edgekit.store import Store

_REFUSED = frozenset((errno.EACCES, errno.EPERM, errno.EROFS))
_TOO_MANY = frozenset((errno.EMFILE, errno.ENFILE))
_IMPOSSIBLE = frozenset((errno.ENAMETOOLONG, errno.ELOOP))
_NO_MEMORY = ("can't allocate memory", "out of memory", "Cannot allocate memory")
_SECRET = re.compile(r"(?i)^--?[\w-]*(token|password|passwd|secret|key|auth)[\w-]*$")
_IN_ADDRESS = re.compile(r"(?<=//)[^/@\s]+(?=@)")
_HIDDEN = "***"
_COMMON = ("all", "dev")
"""Extras that are made of others."""
_KEPT = 20
"""Crash reports that stay in the cache."""


def named(error: BaseException) -> EdgeKitError | None:
    """The error to show where a limit of this machine is to blame; `None` where EdgeKit is."""
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError) or (
        isinstance(error, OSError | RuntimeError)
        and any(words in text for words in _NO_MEMORY)
    ):
        return OutOfMemory(
            f"This machine has too little free memory ({text[:200] or 'out of memory'}). "
            "Close other programs, or take smaller batches or a smaller network."
        )
    if scratch.full(error):
        return OutputError(
            f"Cannot write {_place(error)} ({_why(error)}). Free some space there."
        )
    if isinstance(error, ModuleNotFoundError):
        return _not_installed(error)
    if not isinstance(error, OSError):
        return None
    if error.errno in _REFUSED and error.filename is not None:
        return OutputError(
            f"Cannot use {error.filename} ({error.strerror}). "
            "Change its permissions or name another."
        )
    if error.errno in _IMPOSSIBLE:
        return UsageError(
            f"{_short(error.filename)} cannot be a path ({error.strerror}). Name another."
        )
    if error.errno in _TOO_MANY:
        return UsageError(
            f"Too many files are open ({error.strerror}). Raise the limit: ulimit -n 4096"
        )
    return None


def _not_installed(error: ModuleNotFoundError) -> RuntimeMissing | None:
    """The error for a package that belongs to one of EdgeKit's extras; `None` for others."""
    package = (error.name or "").partition(".")[0].replace("_", "-").lower()
    try:
        required = metadata.requires("edgekit") or []
    except metadata.PackageNotFoundError:
        return None
    for line in required:
        extra = re.search(r"extra == ['\"]([\w-]+)", line)
        if extra is None or extra[1] in _COMMON:
            continue
        if re.split(r"[^\w.-]", line)[0].lower() == package:
            return RuntimeMissing(
                f"{package} is not installed. Install it: pip install "
                f"'edgekit[{extra[1]}]'"
            )
    return None


def reported(error: BaseException, stage: str) -> str:
    """Write a crash report; return one line with the error and the report's path."""
    line = " ".join(str(error).split())[:200]
    report = without_secrets("\n".join(_report(error, stage)))
    what = without_secrets(f"{type(error).__name__}: {line}".rstrip(": ."))
    for folder in (Store().root / "crashes", Path(tempfile.gettempdir())):
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        file = folder / f"edgekit-crash-{stamp}-{os.getpid()}.txt"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            scratch.write(file, report.encode(errors="replace"))
            _forget(folder)
        except OSError:
            continue
        return f"{what}. This is a fault of EdgeKit: please report it with {file}"
    return f"{what}. This is a fault of EdgeKit; no crash report could be written."


def _report(error: BaseException, stage: str) -> Iterator[str]:
    """The report's lines. The environment stays out of it."""
    yield f"edgekit {edgekit.__version__}, Python {platform.python_version()}"
    yield f"{platform.platform()}, {platform.machine()}"
    yield f"command: {' '.join(['edgekit', *sys.argv[1:]])}"
    yield f"stage: {stage}"
    yield f"packages: {', '.join(_versions())}"
    yield ""
    yield "".join(traceback.format_exception(error))


def _versions() -> Iterator[str]:
    """Installed versions of EdgeKit's requirements."""
    try:
        required = metadata.requires("edgekit") or []
    except metadata.PackageNotFoundError:
        return
    for name in dict.fromkeys(re.split(r"[^\w.-]", line)[0] for line in required):
        try:
            yield f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue


def _secrets(arguments: Sequence[str]) -> Iterator[str]:
    """Values on the command line that nobody else should read."""
    for number, argument in enumerate(arguments):
        option, equals, value = argument.partition("=")
        if _SECRET.match(option):
            yield value if equals else "".join(arguments[number + 1 : number + 2])


def without_secrets(text: str) -> str:
    """The text without values of this command line, and of addresses, that nobody should read."""
    for secret in filter(None, _secrets(sys.argv[1:])):
        text = text.replace(secret, _HIDDEN)
    return _IN_ADDRESS.sub(_HIDDEN, text)


def _forget(folder: Path) -> None:
    """Remove all reports but the newest."""
    for file in sorted(folder.glob("edgekit-crash-*.txt"))[:-_KEPT]:
        file.unlink(missing_ok=True)


def _place(error: BaseException) -> str:
    filename = getattr(error, "filename", None)
    return str(filename) if filename else f"a file, perhaps in {tempfile.gettempdir()}"


def _short(name: object) -> str:
    text = str(name)
    return text if len(text) <= 60 else f"{text[:40]}... ({len(text)} characters)"


def _why(error: BaseException) -> str:
    return getattr(error, "strerror", None) or " ".join(str(error).split())[:120]
