"""Attempts that ended or were lost, and what follows."""

from __future__ import annotations

import time

import pytest

from edgekit.errors import LinkLost, ModelError
from edgekit.pipeline.fleet import endings
from edgekit.pipeline.fleet.lending import Lease, Lender
from edgekit.pipeline.fleet.records import Attempt, Done, Failure, TaskState
from tests.unit.pipeline.fleet.tasks import device, farm, task

AWAY = Done(failure=Failure.of(LinkLost("pi-1 is away")))


def started(lender: Lender) -> tuple[TaskState, Lease]:
    state = TaskState(task=task("a"), number=1)
    lease = lender.lend(state.task, lender.choices(state.task))
    assert lease is not None
    now = time.time()
    attempt = Attempt(number=1, machine="m", process=1, device=lease.name, began=now)
    state.started(attempt)
    state.closed(now)
    lender.give_back(lease)
    return state, lease


def test_a_lost_attempt_is_repeated_until_the_last_one() -> None:
    state, _ = started(Lender())
    endings.lost(state, "its machine was lost", retries=1)
    assert (state.phase, state.lost, state.over) == (
        "waiting",
        "its machine was lost",
        False,
    )
    state.number = 2
    endings.lost(state, "its machine was lost", retries=1)
    assert state.done is not None and state.done.failure is not None
    assert state.done.failure.kind == "WorkerLost"
    assert "a was given up after 2 attempts on m: its machine" in (
        state.done.failure.message
    )


@pytest.mark.parametrize("boards", [1, 2])
def test_a_build_whose_device_was_lost_takes_another(boards: int) -> None:
    lender = Lender(farm(*(device(f"pi-{n + 1}") for n in range(boards))))
    state, lease = started(lender)
    endings.ended(state, lease, AWAY, lender, 3)
    if boards == 1:
        assert state.done is AWAY and state.phase == "failed"
    else:
        assert state.phase == "waiting" and not state.over
        assert [one and one.name for one in lender.choices(state.task)] == ["pi-2"]


def test_an_error_of_the_build_itself_ends_it() -> None:
    lender = Lender(farm(device("pi-1"), device("pi-2")))
    state, lease = started(lender)
    done = Done(failure=Failure.of(ModelError("no network")))
    endings.ended(state, lease, done, lender, 3)
    assert state.done is done and len(lender.choices(state.task)) == 2
