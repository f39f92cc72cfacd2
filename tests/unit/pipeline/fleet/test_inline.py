"""Builds one after another in this process."""

from __future__ import annotations

from dataclasses import replace

from edgekit.errors import BudgetMissed, ModelError
from edgekit.pipeline.fleet import inline
from edgekit.pipeline.fleet.lending import Lender
from edgekit.pipeline.fleet.records import Done, Failure, FleetTask, unwatched
from edgekit.progress import Progress, Silent
from tests.unit.pipeline.fleet.tasks import device, farm, task

FAILS = {"b": ModelError("no network"), "c": BudgetMissed("over")}


def work(one: FleetTask, address: str, progress: Progress) -> Done:
    error = FAILS.get(one.name)
    return Done(failure=Failure.of(error) if error else None, stages_run=3)


def test_one_that_failed_ends_no_other() -> None:
    lender = Lender(farm(device("pi-1")))
    seen = []

    def watch(states) -> None:
        seen.append([state.phase for state in states])

    tasks = [task(name) for name in "abcd"]
    states = inline.run(tasks, work, lender, progress=Silent(), watch=watch)
    assert [state.phase for state in states] == ["done", "failed", "done", "done"]
    assert ["done", "running", "waiting", "waiting"] in seen
    assert [one.name for one in lender.leases] == ["pi-1"] * 4
    ends = [one.ended for one in lender.leases]
    begins = [one.began for one in lender.leases]
    assert all(end <= begin for end, begin in zip(ends[:-1], begins[1:], strict=True))
    attempts = [state.attempts[0] for state in states]
    assert all(one.device == "pi-1" and one.ended for one in attempts)


def test_a_target_without_a_fit_device_fails_alone() -> None:
    broken = replace(device("pi-1"), quarantine="its fan is off")
    tasks = [task("a"), task("b-n100", target="intel-n100")]
    lender = Lender(farm(broken))
    first, second = inline.run(tasks, work, lender, progress=Silent(), watch=unwatched)
    assert first.done and first.done.failure and not first.attempts
    assert "its fan is off" in first.done.failure.message
    assert second.phase == "done"
