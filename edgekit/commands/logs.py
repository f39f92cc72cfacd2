"""The log of a build: a file in the cache with all that was shown, and what was not."""

from __future__ import annotations

import logging
import os
import platform
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

import edgekit
from edgekit.commands.console import PROGRESS
from edgekit.commands.crashes import without_secrets
from edgekit.errors import EdgeKitError, UsageError
from edgekit.store import Store, reason

FOLDER = "logs"
KEPT = 20
"""Logs that stay in the cache."""
_OURS = logging.getLogger("edgekit")


def _kept(record: logging.LogRecord) -> bool:
    """Return whether a record is EdgeKit's own, or a library's warning: PyTorch traces a lot."""
    own = record.name.partition(".")[0] == _OURS.name
    return own or record.levelno >= logging.WARNING


class _Plain(logging.Formatter):
    """A record without values that nobody else should read."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line, or as lines with a traceback."""
        return without_secrets(super().format(record))


class _File(logging.FileHandler):
    """A log that ends, and not the build, where the disk is full."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Write no more."""
        _OURS.removeHandler(self)
        logging.getLogger().removeHandler(self)


class _Screen(logging.Handler):
    """Prints what no bar shows."""

    def __init__(self, console: Console, level: int) -> None:
        super().__init__(level)
        self._console = console
        self.addFilter(lambda record: record.name != PROGRESS.name)

    def emit(self, record: logging.LogRecord) -> None:
        """Print the record in one line."""
        line = without_secrets(f"{record.name}: {record.getMessage()}")
        self._console.print(line, style="dim", highlight=False, markup=False)


@contextmanager
def written(target: str, console: Console, *, verbose: int) -> Iterator[None]:
    """Log what happens in the block; with `verbose` print the log's place, and with 2 the log.

    An error is logged with its traceback and passes. Where no log can be written, there is none.
    """
    root, before = logging.getLogger(), _OURS.level
    handlers: list[logging.Handler] = []
    if file := _opened(target):
        handlers.append(file)
    if verbose:
        level = logging.DEBUG if verbose > 1 else logging.WARNING
        handlers.append(_Screen(console, level))
        place = file.baseFilename if file else "none could be written"
        console.print(f"Log: {place}", style="dim", highlight=False, soft_wrap=True)
    _OURS.setLevel(logging.DEBUG)
    for handler in handlers:
        handler.addFilter(_kept)
        root.addHandler(handler)
    try:
        with warnings.catch_warnings():
            logging.captureWarnings(True)
            yield
    except BaseException as error:
        _ended(error)
        raise
    finally:
        logging.captureWarnings(False)
        _OURS.setLevel(before)
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()


def stages(store: Store) -> None:
    """Log each stage of this process: kept or run, and why."""
    for one in store.outcomes:
        done = "kept" if one.kept else f"run, {one.seconds:.1f} s"
        PROGRESS.debug("stage %s: %s (%s)", one.title, done, reason(store, one))


def check(verbose: int, *, quiet: bool) -> None:
    """Raise `UsageError` where a command is asked for both more and less output."""
    if verbose and quiet:
        raise UsageError("--verbose and --quiet exclude each other. Leave one out.")


def _opened(target: str) -> _File | None:
    folder = Store().root / FOLDER
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in sorted(folder.glob("*.log"))[: 1 - KEPT]:
            old.unlink(missing_ok=True)
        place = folder / f"{stamp}-{os.getpid()}-{Path(target).name}.log"
        handler = _File(place, encoding="utf-8", errors="replace")
    except OSError:
        return None
    handler.setFormatter(_Plain())
    for line in _header():
        record = PROGRESS.makeRecord(PROGRESS.name, logging.INFO, "", 0, line, (), None)
        handler.emit(record)
    return handler


def _header() -> Iterator[str]:
    yield f"edgekit {edgekit.__version__}, Python {platform.python_version()}"
    yield f"{platform.platform()}, {os.cpu_count()} processors"
    yield f"command: edgekit {' '.join(sys.argv[1:])}, in {Path.cwd()}"


def _ended(error: BaseException) -> None:
    expected = isinstance(error, EdgeKitError | KeyboardInterrupt | SystemExit)
    level = logging.INFO if expected else logging.ERROR
    text = "".join(traceback.format_exception(error))
    PROGRESS.log(level, "%s: %s\n%s", type(error).__name__, error, text.rstrip())
