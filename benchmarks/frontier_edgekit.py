"""EdgeKit's networks in `benchmarks/latency_frontier.py`: planned on each runtime's own table."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from benchmarks.frontier_recover import Setting
from benchmarks.staircase import device_of
from edgekit.devices import Device
from edgekit.devices.emulated import EmulatedDevice
from edgekit.devices.local import LocalDevice
from edgekit.prune.compensate import compensate
from edgekit.prune.cost import CostTable, TableKey
from edgekit.prune.graph import analyse
from edgekit.prune.importance import importance
from edgekit.prune.plan import Limits, Planner, Solution
from edgekit.prune.sensitivity import Sensitivity, sensitivity
from edgekit.prune.worth import Importance
from edgekit.source.program import Program
from edgekit.types import Plan, Precision, RuntimeName

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


def device_for(target: str) -> Device:
    """What a target's costs are taken on: this machine, or the emulated core."""
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
        analyse(setting.program),
        CostTable(key_for(target, device), device.source, cache),
        multiple=1,
        min_keep=MIN_KEEP,
        drop_blocks=True,
    )
    planner.measure(device)
    return planner


def solve(
    setting: Setting, planner: Planner, whole: float, speedup: float, cache: Path
) -> Solution:
    """The product's default criterion, on the images that the peers score with too."""
    scores = importance(planner.graph, "activation", batches=[setting.scoring])
    senses = senses_of(setting, planner, scores, cache)
    return planner.solve(scores, Limits(cost=whole / speedup), senses)


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
    """The planned network, its layers fitted to what is left, as a build does it.

    A plan is kept, so that all seeds train the same one.
    """
    path = plan_of(target, speedup, cache)
    if not path.is_file():
        device = device_for(target)
        planner = planner_for(setting, target, device, cache)
        whole = planner.cost({}, device)
        solution = solve(setting, planner, whole, speedup, cache)
        content = {
            "plan": asdict(solution.plan),
            "predicted": solution.cost,
            "damage": solution.damage,
            "whole": whole,
            "source": planner.table.source,
        }
        path.write_text(json.dumps(content))
    plan = Plan(**json.loads(path.read_text())["plan"])
    return compensate(analyse(setting.program), plan, (setting.scoring[0],))
