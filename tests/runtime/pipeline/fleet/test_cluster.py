"""Builds on clusters of Ray on this machine: lost workers, lost machines, devices in turns."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from edgekit.pipeline.fleet import cluster
from edgekit.pipeline.fleet.cluster import ClusterOptions
from edgekit.pipeline.fleet.lending import Lender
from edgekit.pipeline.fleet.records import FleetTask, TaskState, unwatched
from tests.runtime.pipeline.fleet import works
from tests.unit.pipeline.fleet.tasks import device, farm, task
from tests.unit.test_habits import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None, reason="pip install 'edgekit[fleet]'"
    ),
]
_BYTES = 100 * 2**20


@pytest.fixture(autouse=True)
def _workers_find_this_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def tasks(folder: Path, *names: str, **more: float) -> list[FleetTask]:
    return [replace(task(name, **more), out=folder / name) for name in names]


@contextmanager
def two_nodes(**resources: float) -> Iterator[Any]:
    """A cluster of two nodes; the second, which has the resources besides."""
    import ray
    from ray.cluster_utils import Cluster

    own = {"object_store_memory": _BYTES, "num_cpus": 1}
    head = {**own, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=head)
    try:
        # Before there is a second node at this address, which might be taken for the own one.
        ray.init(address=made.address, log_to_driver=False, logging_level=50)
        yield made.add_node(resources=resources, **own)
    finally:
        ray.shutdown()
        made.shutdown()


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


@pytest.mark.skipif(
    "EDGEKIT_TEST_LOST_NODES" not in os.environ,
    reason="Ray's own actors and its exit may hang once a node of this machine is killed: "
    "set EDGEKIT_TEST_LOST_NODES=1",
)
def test_a_lost_machines_builds_go_on_elsewhere_or_name_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    [attached] = tasks(tmp_path, "waits-phone")
    elsewhere = [
        replace(one, request=task("x", target="intel-n100").request)
        for one in tasks(tmp_path, "fine-a", "fine-b", "fine-c")
    ]
    killed = []
    lender = Lender(farm(device("phone", node="bench-2")))
    with two_nodes(**{"bench-2": 1}) as node:

        def watch(states: Sequence[TaskState]) -> None:
            on_it = [state.task.name for state in states if _is_on(state, node)]
            if not killed and "waits-phone" in on_it:
                killed.append(works.kill(node))

        options = ClusterOptions(retries=2, patience_s=4)
        states = cluster.run(
            [attached, *elsewhere], works.work, lender, options=options, watch=watch
        )
        printed = capfd.readouterr()
    assert "raylet" not in printed.out + printed.err
    found = by_name(states)
    assert killed
    done = found["waits-phone"].done
    assert done and done.failure and done.failure.kind == "NoWorker"
    assert "the resource 'bench-2'" in done.failure.message
    assert f"{node.node_id[:6]} had that, and was lost" in done.failure.message
    assert found["waits-phone"].attempts[0].lost
    others = [found[one.name] for one in elsewhere]
    assert [state.phase for state in others] == ["done"] * 3


def _is_on(state: TaskState, node: Any) -> bool:
    current = state.current
    return current is not None and current.machine.endswith(node.node_id[:6])


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
