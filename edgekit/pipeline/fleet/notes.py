"""Reports of workers on their builds, in the key-value table that every cluster of Ray has.

The table lives as long as the cluster. An actor would be one process more, with a machine and a
start of its own to lose, and its loss would end builds that have nothing to do with it.
"""

from __future__ import annotations

import logging
import pickle
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from edgekit.pipeline.fleet.records import Attempt, TaskState
from edgekit.progress import Step

_LOG = logging.getLogger("edgekit.fleet")
_SPACE = b"edgekit"
_UPDATE_S = 0.5
"""Between two updates of one step that a worker sends."""


@dataclass(kw_only=True)
class Note:
    """The state of one attempt as its worker sees it."""

    started: Attempt
    stage: str = ""
    lines: list[str] = field(default_factory=list)
    """All lines so far."""


class Board:
    """The notes of all attempts of one command, for whoever waits for the builds."""

    def __init__(self) -> None:
        self.name = uuid.uuid4().hex
        self._read: dict[str, int] = {}
        """Lines of each attempt that were read before."""

    def read(self, states: Iterable[TaskState]) -> Iterator[tuple[TaskState, Note]]:
        """The notes of the attempts under way, each with the lines since the last time.

        One that cannot be read is left out: its progress is unknown, its build goes on.
        """
        for state in states:
            place = _place(self.name, state.task.name, state.number)
            note = _get(place)
            if note is not None:
                before = self._read.get(place, 0)
                self._read[place] = before + len(note.lines[before:])
                note.lines = note.lines[before:]
                yield state, note

    def clear(self) -> None:
        """Remove all notes."""
        import ray
        from ray.experimental.internal_kv import _internal_kv_del

        try:
            _internal_kv_del(self.name, del_by_prefix=True, namespace=_SPACE)
        except ray.exceptions.RayError as error:
            _LOG.debug("Notes are left in the cluster: %s", error)


class Noted:
    """Progress of one attempt as notes on the board of a name."""

    def __init__(self, board: str, task: str, started: Attempt) -> None:
        self._place = _place(board, task, started.number)
        self._note = Note(started=started)
        self._title, self._last = "", 0.0
        self._write()

    def say(self, line: str) -> None:
        """Send the line."""
        self._note.lines.append(line)
        self._write()

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Send the title, and updates now and then."""
        self._title = self._note.stage = title
        self._write()
        yield self

    def update(self, done: int, total: int, note: str = "") -> None:
        """Send how far the step is."""
        now = time.monotonic()
        if now - self._last >= _UPDATE_S:
            self._last = now
            self._note.stage = f"{self._title} {done}/{total}"
            self._write()

    def _write(self) -> None:
        import ray
        from ray.experimental.internal_kv import _internal_kv_put

        try:
            _internal_kv_put(self._place, pickle.dumps(self._note), namespace=_SPACE)
        except ray.exceptions.RayError as error:  # after Ray's own limit in time
            _LOG.debug("A note was lost: %s", error)


def _get(place: str) -> Note | None:
    import ray
    from ray.experimental.internal_kv import _internal_kv_get

    try:
        found: Any = _internal_kv_get(place, namespace=_SPACE)
    except ray.exceptions.RayError as error:
        _LOG.debug("A note cannot be read: %s", error)
        return None
    return None if found is None else pickle.loads(found)


def _place(board: str, task: str, number: int) -> str:
    return f"{board}/{task}/{number}"
