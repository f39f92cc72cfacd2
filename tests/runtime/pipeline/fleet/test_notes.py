"""Notes of a worker in the table of a real cluster."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import pytest

from edgekit.pipeline.fleet import session
from edgekit.pipeline.fleet.notes import Board, Noted
from edgekit.pipeline.fleet.records import Attempt, TaskState
from tests.unit.pipeline.fleet.tasks import task

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None, reason="pip install 'edgekit[fleet]'"
    ),
]


@pytest.fixture(autouse=True)
def _connected() -> Iterator[None]:
    with session.connected(None):
        yield


def test_notes_are_read_by_attempt_and_lines_once() -> None:
    board, state = Board(), TaskState(task=task("one"), number=2)
    assert list(board.read([state])) == []
    first, second = (
        Attempt(number=number, machine="m", process=1, device="local", began=0.0)
        for number in (1, 2)
    )
    Noted(board.name, "one", first).say("of an attempt that was lost")
    assert list(board.read([state])) == []
    noted = Noted(board.name, "one", second)
    noted.say("a line")
    with noted.step("Distill") as step:
        step.update(1, 2)
        [(_, note)] = board.read([state])
    assert (note.started, note.stage) == (second, "Distill 1/2")
    assert note.lines == ["a line"]
    noted.say("another")
    [(_, note)] = board.read([state])
    assert note.lines == ["another"]
    board.clear()
    assert list(board.read([state])) == []


def test_a_cluster_without_answers_costs_a_note_and_no_build(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from ray import exceptions
    from ray.experimental import internal_kv

    def failing(*_: object, **__: object) -> None:
        raise exceptions.RpcError("the table is away")

    for name in ("_internal_kv_put", "_internal_kv_get", "_internal_kv_del"):
        monkeypatch.setattr(internal_kv, name, failing)
    board, state = Board(), TaskState(task=task("one"), number=1)
    started = Attempt(number=1, machine="m", process=1, device="local", began=0.0)
    Noted(board.name, "one", started).say("a line")
    assert list(board.read([state])) == []
    board.clear()
