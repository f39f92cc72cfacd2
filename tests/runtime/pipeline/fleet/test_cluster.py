"""Builds on clusters of Ray on this machine: lost workers, lost machines, devices in turns."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest

from edgekit.errors import OutputError
from edgekit.pipeline.fleet import cluster
from edgekit.pipeline.fleet.cluster import ClusterOptions
from edgekit.pipeline.fleet.lending import Lender
from edgekit.pipeline.fleet.records import FleetTask, Room, TaskState, unwatched
from tests.runtime.pipeline.fleet import works
from tests.runtime.pipeline.fleet.works import tasks
from tests.unit.pipeline.fleet.tasks import device, farm
from tests.unit.test_habits import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None, reason="pip install 'edgekit[fleet]'"
    ),
]
_LIMIT_S = 300.0


@pytest.fixture(autouse=True)
def _workers_find_this_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def by_name(states: Sequence[TaskState]) -> dict[str, TaskState]:
    return {state.task.name: state for state in states}


def test_lost_workers_are_replaced_and_faults_end_one_build_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = tasks(tmp_path, "fine", "once", "dies", "raises", cpus=0.5)
    options = ClusterOptions(retries=1)
    states = cluster.run(asked, works.work, Lender(), options=options, watch=unwatched)
    found = by_name(states)
    assert [state.phase for state in states] == ["done", "done", "failed", "failed"]
    assert [one.lost for one in found["once"].attempts] == [True, False]
    first, second = found["once"].attempts
    assert first.process != second.process and first.ended and second.ended
    failures = {n: s.done.failure for n, s in found.items() if s.done}
    dies, raises = failures["dies"], failures["raises"]
    assert dies is not None and dies.kind == "WorkerLost"
    assert "dies was given up after 2 attempts on " in dies.message
    assert raises is not None and raises.kind == "BuildCrashed"
    assert "a fault of ours" in raises.message
    printed = capfd.readouterr()
    assert printed.out == "" and printed.err == ""


def test_builds_follow_others_where_there_is_room(tmp_path: Path) -> None:
    """Of four chains of two builds each, one build loses its worker: each ends once."""
    seen: list[str] = []
    begun = 0
    at_once: list[int] = []

    def feed(ended: Sequence[TaskState], room: Room) -> list[FleetTask]:
        nonlocal begun
        names = [state.task.name for state in ended]
        seen.extend(names)
        following = [f"fine-{name[-1]}" for name in names if name.startswith("once")]
        free = room({"CPU": 0.5}) - len(following)
        new = range(begun, min(4, begun + max(0, free)))
        begun += len(new)
        following += [f"once-{number}" for number in new]
        return tasks(tmp_path, *following, cpus=0.5)

    def watch(states: Sequence[TaskState]) -> None:
        at_once.append(sum(state.current is not None for state in states))

    for number in (1, 2, 3):  # these have run before, and are not lost
        (tmp_path / f"once-{number}.began").touch()
    states = cluster.run(
        (), works.work, Lender(), options=ClusterOptions(), watch=watch, feed=feed
    )
    names = [f"{kind}-{number}" for kind in ("once", "fine") for number in range(4)]
    assert sorted(seen) == sorted(names), "each end is seen once"
    assert sorted(state.task.name for state in states) == sorted(names)
    assert all(state.phase == "done" for state in states)
    lost = [state for state in states if state.number > 1]
    assert [state.task.name for state in lost] == ["once-0"]
    assert max(at_once) > 1


def test_an_error_of_the_feed_ends_what_runs(tmp_path: Path) -> None:
    left = tasks(tmp_path, "fine", "waits", cpus=0.1)

    def feed(ended: Sequence[TaskState], room: Room) -> list[FleetTask]:
        if ended:
            raise OutputError("the disk is full")
        return [left.pop() for _ in range(len(left))]

    with pytest.raises(OutputError, match="the disk is full"):
        cluster.run(
            (),
            works.work,
            Lender(),
            options=ClusterOptions(),
            watch=unwatched,
            feed=feed,
        )


def test_a_lost_machines_builds_go_on_elsewhere_or_name_it(tmp_path: Path) -> None:
    """In a process of its own: whatever Ray waits for, the tests go on."""
    command = [sys.executable, "-m", "tests.runtime.pipeline.fleet.losing"]
    started = subprocess.Popen(
        [*command, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        printed, errors = started.communicate(timeout=_LIMIT_S)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
    assert started.returncode == 0, errors
    assert "raylet" not in printed + errors
    lost, *others = json.loads(printed)
    assert lost["failure"]["kind"] == "NoWorker"
    message = lost["failure"]["message"]
    assert "the resource 'bench-2'" in message
    assert f"{lost['node']} had that, and was lost" in message
    assert lost["lost"][0]
    assert [one["phase"] for one in others] == ["done"] * 3


def test_a_device_is_used_by_one_build_at_a_time(tmp_path: Path) -> None:
    lender = Lender(farm(device("pi-1"), device("pi-2")))
    asked = tasks(tmp_path, *(f"fine-{number}" for number in range(5)), cpus=0.2)
    states = cluster.run(
        asked, works.work, lender, options=ClusterOptions(), watch=unwatched
    )
    assert all(state.phase == "done" for state in states)
    used = works.uses(tmp_path)
    assert used.keys() == {"ssh://pi@pi-1", "ssh://pi@pi-2"}
    assert sum(map(len, used.values())) == 5
    for times in used.values():
        assert all(ended <= began for (_, ended), (began, _) in pairwise(times))


def test_a_device_whose_link_is_lost_is_set_aside(tmp_path: Path) -> None:
    lender = Lender(farm(device("pi-1"), device("pi-2")))
    [state] = cluster.run(
        tasks(tmp_path, "unlinked", cpus=0.5),
        works.work,
        lender,
        options=ClusterOptions(),
        watch=unwatched,
    )
    assert state.phase == "done"
    assert [one.device for one in state.attempts] == ["pi-1", "pi-2"]
    assert [d and d.name for d in lender.choices(state.task)] == ["pi-2"]


def test_what_no_machine_has_is_named(tmp_path: Path) -> None:
    states = cluster.run(
        tasks(tmp_path, "fine", "big", cpus=1000),
        works.work,
        Lender(),
        options=ClusterOptions(patience_s=0.5),
        watch=unwatched,
    )
    for state in states:
        assert state.done and state.done.failure
        assert "there is none with 1000 cpus" in state.done.failure.message
