"""Progress of a long stage, for display. The command line draws it; the rest only calls."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Step(Protocol):
    """A stage that takes a while."""

    def update(self, done: int, total: int, note: str = "") -> None:
        """`done` of `total` are finished; `note` is a short figure to show beside it."""


class Progress(Protocol):
    """Display of a long stage."""

    def say(self, line: str) -> None:
        """A line worth keeping on the screen."""

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """A stage that takes a while."""
        ...


class Silent:
    """Tells nobody anything."""

    def say(self, line: str) -> None:
        """Print nothing."""

    def update(self, done: int, total: int, note: str = "") -> None:
        """Show nothing."""

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """A step that shows nothing."""
        yield self


class Logged:
    """Writes to the logger `edgekit`: lines and stages at INFO, updates at DEBUG."""

    def __init__(self) -> None:
        self._logger = logging.getLogger("edgekit")

    def say(self, line: str) -> None:
        """Log a line at INFO."""
        self._logger.info("%s", line)

    def update(self, done: int, total: int, note: str = "") -> None:
        """Log the progress at DEBUG."""
        self._logger.debug("%d of %d%s", done, total, f": {note}" if note else "")

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Log the start and the duration of a stage at INFO."""
        began = time.monotonic()
        self._logger.info("%s ...", title)
        yield self
        self._logger.info("%s: %.1f s", title, time.monotonic() - began)
