"""Machines of a cluster. `tests/runtime` has clusters of Ray."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from edgekit.pipeline.fleet.cluster import Machines


def node(name: str, *, alive: bool = True, **resources: float) -> dict[str, Any]:
    return {
        "NodeID": name,
        "NodeManagerHostname": f"host-{name}",
        "Alive": alive,
        "Resources": resources if alive else {},
    }


def test_a_need_is_met_by_one_machine_whatever_runs_there() -> None:
    machines = Machines()
    machines.look([node("a", CPU=2.0), node("b", CPU=1.0, GPU=1.0)])
    assert machines.can({"CPU": 2.0}) and machines.can({"CPU": 1.0, "GPU": 1.0})
    assert not machines.can({"CPU": 2.0, "GPU": 1.0})
    assert not machines.can({"CPU": 1.0, "bench-2": 0.001})


def test_each_machine_has_place_for_whole_builds_alone() -> None:
    machines = Machines()
    machines.look([node("a", CPU=3.0), node("b", CPU=1.0, GPU=1.0)])
    assert machines.times({"CPU": 1.0}) == 4
    assert machines.times({"CPU": 2.0}) == 1, "no build is on two machines"
    assert machines.times({"CPU": 0.1}) == 40
    assert machines.times({"CPU": 0.5, "GPU": 0.5}) == 2
    machines.look([node("a", alive=False), node("b", CPU=1.0, GPU=1.0)])
    assert machines.times({"CPU": 1.0}) == 1


def test_what_only_a_lost_machine_had_is_named_with_it() -> None:
    machines, needs = Machines(), {"CPU": 1.0, "bench-2": 0.001}
    machines.look([node("a", CPU=2.0), node("b", CPU=1.0, **{"bench-2": 1.0})])
    assert machines.can(needs)
    machines.look([node("a", CPU=2.0), node("b", alive=False)])
    assert not machines.can(needs)
    assert machines.missing(needs) == (
        "1 cpu and the resource 'bench-2' (host-b/b had that, and was lost)"
    )
    assert machines.missing({"CPU": 4.0}) == "4 cpus"
    machines.look([node("a", CPU=2.0), node("c", CPU=1.0, **{"bench-2": 1.0})])
    assert machines.can(needs)


def test_workers_read_their_settings_before_torch_is_loaded() -> None:
    code = "import sys, edgekit.pipeline.fleet.cluster; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
