"""EdgeKit's networks in `benchmarks/latency_frontier.py`: planned on each runtime's own table."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.frontier_recover import Setting
from benchmarks.staircase import device_of
from edgekit.cost.network_model import Sample
from edgekit.cost.table import CostTable
from edgekit.cost.table_key import TableKey
from edgekit.devices import Device
from edgekit.devices.emulated import EmulatedDevice
from edgekit.devices.local import LocalDevice
from edgekit.export.workers import export_all
from edgekit.graph.graph import analyze
from edgekit.graph.surgery import shrink
from edgekit.pipeline.constraints import PlanConstraints
from edgekit.pipeline.cost_model import half_way, operators_of
from edgekit.pipeline.search import SearchRound, corrected, next_costs, settled
from edgekit.program.program import Program
from edgekit.prune.importance import importance
from edgekit.prune.objective import Importance
from edgekit.prune.planner import Planner
from edgekit.prune.reconstruct import reconstruct
from edgekit.prune.sensitivity import sensitivity
from edgekit.prune.solution import Limits, Solution
from edgekit.types import Plan, PlanRound, Precision, RuntimeName, Sensitivity

METHOD = "edgekit"
SPEEDUPS = (1.5, 2.2, 3.0)
INT8 = "litert-int8"
COUNTED = "raspberrypi4-counted"
TARGETS: dict[str, tuple[RuntimeName, Precision]] = {
    "litert-fp32": ("litert", "fp32"),
    INT8: ("litert", "int8"),
    "onnxruntime-fp32": ("onnxruntime", "fp32"),
    "openvino-fp32": ("openvino", "fp32"),
    COUNTED: ("litert", "fp32"),
}
MIN_KEEP = 0.125
ROUNDS = 3
"""Number of repeated solves of a plan that misses or overshoots: a build's default."""


def device_for(target: str) -> Device:
    """Device of a target's costs: this machine, or the emulated core."""
    return device_of("counted")[0] if target == COUNTED else LocalDevice()


def key_for(target: str, device: Device) -> TableKey:
    runtime, precision = TARGETS[target]
    if isinstance(device, EmulatedDevice):
        version = device.runtimes[runtime]
    else:
        version = device.probe()["runtimes"][runtime]["version"]
    return TableKey(
        fingerprint=device.fingerprint(),
        runtime=runtime,
        runtime_version=version,
        precision=precision,
        threads=1,
    )


def planner_for(setting: Setting, target: str, device: Device, cache: Path) -> Planner:
    """The planner with its table measured on the device."""
    planner = Planner(
        analyze(setting.program),
        CostTable(key_for(target, device), device.provenance, cache),
        multiple=1,
        min_keep=MIN_KEEP,
        drop_blocks=True,
    )
    planner.measure(device)
    return planner


def solve(setting: Setting, planner: Planner, cost: float, cache: Path) -> Solution:
    """The product's default criterion, on the images that the peers score with too."""
    scores = importance(planner.graph, "activation", batches=[setting.scoring])
    senses = senses_of(setting, planner, scores, cache)
    return planner.solve(scores, Limits(cost=cost), senses)


def senses_of(
    setting: Setting, planner: Planner, scores: Importance, cache: Path
) -> Sensitivity:
    """Measured once: it is the network's, whatever the runtime."""
    path = cache / "sensitivity.json"
    if not path.is_file():
        images, _ = setting.scoring
        found = sensitivity(
            planner.graph,
            scores,
            [(part,) for part in images.split(64)],
            blocks=planner.blocks,
        )
        path.write_text(json.dumps(asdict(found)))
    known = json.loads(path.read_text())
    groups = {n: tuple(map(tuple, cuts)) for n, cuts in known["groups"].items()}
    return Sensitivity(groups=groups, blocks=known["blocks"])


def plan_of(target: str, speedup: float, cache: Path) -> Path:
    """Where the plan of a target and speed-up is kept."""
    return cache / f"plan-{target}-{speedup:g}.json"


def cut_for(setting: Setting, target: str, speedup: float, cache: Path) -> Program:
    """The planned network, its layers refitted to the remaining inputs, as in a build.

    A plan is kept, so that all seeds train the same one.
    """
    path = plan_of(target, speedup, cache)
    if not path.is_file():
        path.write_text(json.dumps(_planned(setting, target, speedup, cache)))
    plan = Plan(**json.loads(path.read_text())["plan"])
    return reconstruct(analyze(setting.program), plan, (setting.fitting,))


def _planned(
    setting: Setting, target: str, speedup: float, cache: Path
) -> dict[str, Any]:
    """A plan whose exported network is measured before any training, as a build does it.

    The table is corrected by whole networks: those that plans before this one measured, or the
    unpruned one and one of half the widths.
    """
    device = device_for(target)
    planner = planner_for(setting, target, device, cache)
    beside = partial(_measured, setting, target=target, planner=planner, device=device)
    known = planner.table.networks(target)
    if len(known) < 2:
        known = beside(half_way(planner))
    planner.table.correct(known, device)
    constraints = PlanConstraints(speedup=speedup, full_cost=planner.cost({}, device))
    turns: list[SearchRound] = []
    for cost in next_costs(ROUNDS, planner, constraints, turns):
        assert cost is not None
        solution = solve(setting, planner, cost, cache)
        if any(solution.plan == turn.solution.plan for turn in turns):
            break
        student = shrink(planner.graph, solution.plan)
        unpruned, cut = beside(student)
        predicted = corrected(turns, constraints).speedup(
            solution.cost / constraints.full_cost
        )
        reached = unpruned.cost / cut.cost
        timed = PlanRound(
            predicted_speedup=predicted,
            measured_speedup=reached,
            prediction_error=abs(predicted - reached) / reached,
        )
        print(f"{target}, {speedup:g}x asked: {timed}", flush=True)
        turns.append(SearchRound(round=timed, solution=solution, student=student))
    found = settled(planner, constraints, turns).solution
    timed = next(turn.round for turn in turns if turn.solution is found)
    return {
        "plan": asdict(found.plan),
        "predicted_speedup": timed.predicted_speedup,
        "measured_speedup": timed.measured_speedup,
        "damage": found.expected_loss_increase,
        "provenance": planner.table.provenance,
    }


def _measured(
    setting: Setting, program: Program, *, target: str, planner: Planner, device: Device
) -> list[Sample]:
    """The whole network and another, exported for a target and measured in turns."""
    runtime, precision = TARGETS[target]
    with tempfile.TemporaryDirectory() as folder:
        networks = []
        for name, each in (("whole", setting.program), ("cut", program)):
            [artifact] = export_all(
                each,
                [(runtime, precision)],
                calibration=setting.scoring[0][:128].numpy(),
                folder=Path(folder) / name,
            )
            networks.append((artifact.files, operators_of(each)))
        return planner.table.measure_networks(networks, device, target)
