"""Records of builds: errors that pass from process to process, and where a build stands."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from edgekit.errors import BudgetMissed, BuildCrashed, ModelError, ParityError
from edgekit.pipeline.fleet.records import Attempt, Done, Failure, TaskState
from tests.unit.pipeline.fleet.tasks import device, task


class Special(ModelError):
    """An error that no other process has."""


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (ModelError("no network"), ModelError, 2),
        (Special("no network"), ModelError, 2),
        (ParityError("differs", fault=object()), ParityError, 5),
        (BudgetMissed("over", report=object()), BudgetMissed, 1),
        (KeyError("a fault of ours"), BuildCrashed, 70),
    ],
)
def test_an_error_is_the_same_in_another_process(
    error: Exception, kind: type, code: int
) -> None:
    failure = pickle.loads(pickle.dumps(Failure.of(error)))
    again = failure.error()
    assert type(again) is kind and again.exit_code == code
    assert str(error) in str(again)


def test_a_report_comes_back_with_a_missed_budget() -> None:
    report: Any = object()
    error = Failure.of(BudgetMissed("over")).error(report)
    assert isinstance(error, BudgetMissed) and error.report is report


def test_the_needs_of_a_build_name_the_node_of_its_device() -> None:
    one = task("a", cpus=2.0)
    assert one.needs(None) == one.needs(device("pi-1")) == {"CPU": 2.0}
    attached = task("b", gpus=0.5).needs(device("phone", node="bench-2"))
    assert attached["GPU"] == 0.5 and 0 < attached["bench-2"] < 0.1


def attempt(number: int) -> Attempt:
    return Attempt(number=number, machine="m", process=1, device="local", began=1.0)


def test_a_state_follows_its_attempts() -> None:
    state = TaskState(task=task("a"))
    assert state.phase == "waiting" and state.current is None and not state.over
    state.number = 1
    state.started(attempt(1))
    assert state.phase == "running" and state.current == attempt(1)
    state.closed(5.0, lost=True)
    assert state.current is None and state.attempts[0].lost
    state.number = 2
    assert state.current is None
    state.started(attempt(2))
    state.closed(7.0)
    state.finished(Done(failure=Failure.of(BudgetMissed("over"))))
    assert state.over and state.phase == "done"
    assert [(one.ended, one.lost) for one in state.attempts] == [
        (5.0, True),
        (7.0, False),
    ]
    state.fail(ModelError("no network"))
    assert state.phase == "failed"
