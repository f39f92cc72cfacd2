"""One step of the coverage benchmark, in a process of its own: its last line is its result."""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.results import Row
from edgekit.errors import EdgeKitError
from edgekit.prune.graph import WidthGraph, analyse
from edgekit.prune.surgery import mask, shrink
from edgekit.source import program as programs
from edgekit.source.program import Program
from edgekit.types import Plan
from tests.zoo.exactness import (
    macs,
    norms_over_kept,
    outputs,
    random_plan,
    relative_error,
    train_one_step,
)
from tests.zoo.models import ZOO

SHARE = 0.3
ALONE = 12
"""Groups of each network that are also cut alone."""


def cut(name: str) -> Row:
    """All exact groups together, all groups together, and some alone, against zeroing."""
    entry = ZOO[name]
    start = time.perf_counter()
    program = entry.program()
    traced = time.perf_counter()
    graph = analyse(program)
    analysed = time.perf_counter()
    exact = [group for group in graph.groups if group.exact]
    plan = random_plan(exact, SHARE)
    result = shrink(graph, plan)
    shrunk = time.perf_counter()
    alone = random.Random(0).sample(graph.groups, min(ALONE, len(graph.groups)))
    plans = [plan, random_plan(graph.groups, SHARE, seed=1)]
    plans += [random_plan([group], 0.5, seed=2) for group in alone]
    errors = [_differs(name, graph, plan) for plan in plans]
    sample = entry.sample()
    return {
        "error": None,
        "seconds": shrunk - traced,
        "relative_error": max(errors),
        "groups": len(graph.groups),
        "groups_exact": len(exact),
        "groups_cut_alone": len(alone),
        "kinds": sorted({group.kind for group in graph.groups}),
        "barriers": sorted({f"{b.operator}: {b.why}" for b in graph.barriers}),
        "parameters": _count(program),
        "parameters_left": _count(result),
        "macs": macs(program, sample) // 2,
        "macs_left": macs(result, sample) // 2,
        "trains": train_one_step(result, entry.sample(batch=4)),
        "trace_seconds": traced - start,
        "analyse_seconds": analysed - traced,
        "shrink_seconds": shrunk - analysed,
    }


def _differs(name: str, graph: WidthGraph, plan: Plan) -> float:
    sample = ZOO[name].sample()
    masked = mask(graph, plan)
    exact = all(group.exact for group in graph.groups if group.id in plan.kept)
    zeroed = (
        outputs(masked, sample)
        if exact
        else norms_over_kept(masked, graph, plan, sample)
    )
    return relative_error(outputs(shrink(graph, plan), sample), zeroed)


def _count(program: Program) -> int:
    return sum(parameter.numel() for parameter in program.module.parameters())


def save(name: str, folder: str) -> Row:
    """The cut network with a sample and its outputs, for the exports."""
    program = ZOO[name].program()
    graph = analyse(program)
    exact = [group for group in graph.groups if group.exact]
    result = shrink(graph, random_plan(exact, SHARE))
    sample = ZOO[name].sample(batch=1)
    result.save(Path(folder) / "cut.pt2")
    expected = [tensor.numpy() for tensor in outputs(result, sample)]
    inputs = [tensor.numpy() for tensor in sample]
    np.savez(Path(folder) / "inputs.npz", *inputs)
    np.savez(Path(folder) / "expected.npz", *expected)
    return {"error": None}


def export(runtime: str, folder: str) -> Row:
    """Reload the cut network, export it, run the file on its runtime, compare."""
    from edgekit.agent import session
    from edgekit.agent.runtimes import find, open_model, settings
    from edgekit.export import export

    place = Path(folder)
    program = programs.load(place / "cut.pt2")
    artifact = export(
        program,
        runtime=runtime,  # type: ignore[arg-type]
        precision="fp32",
        calibration=None,
        folder=place,
        name=runtime,
    )
    found, _ = find(runtime)
    model = open_model(found, str(artifact.files[0]), 1, settings(found, {}))
    got = session.run(model, _arrays(place / "inputs.npz"))
    expected = _arrays(place / "expected.npz")
    pairs = [
        (torch.from_numpy(g.reshape(e.shape)), torch.from_numpy(e))
        for g, e in zip(got, expected, strict=True)
    ]
    return {"error": None, "relative_error": relative_error(*zip(*pairs, strict=True))}


def _arrays(path: Path) -> list[np.ndarray]:
    with np.load(path) as arrays:
        return [arrays[name] for name in arrays.files]


def peer(name: str) -> Row:
    """Torch-Pruning in naive use: the network, an example, a ratio, the layers to leave alone.

    Those are the layers whose outputs have a fixed size, taken from EdgeKit's graph.
    """
    import torch_pruning as tp

    entry = ZOO[name]
    network = entry.network()
    sample = entry.sample()
    fixed = _fixed_layers(analyse(entry.program()))
    ignored = [module for key, module in network.named_modules() if key in fixed]
    before = [tuple(t.shape) for t in _results(network, sample)]
    whole, size = tp.utils.count_ops_and_params(network, sample)
    start = time.perf_counter()
    try:
        pruner = tp.pruner.BasePruner(
            network,
            sample,
            importance=tp.importance.MagnitudeImportance(p=2),
            pruning_ratio=SHARE,
            ignored_layers=ignored,
        )
        pruner.step()
        seconds = time.perf_counter() - start
        after = [tuple(t.shape) for t in _results(network, sample)]
        left, smaller = tp.utils.count_ops_and_params(network, sample)
    except Exception as error:  # noqa: BLE001 - whatever the peer raises is its result
        first = (str(error).splitlines() or [""])[0]
        return {"error": f"{type(error).__name__}: {first}"[:160]}
    if after != before:
        return {"error": f"gives {after}, not {before}", "seconds": seconds}
    if smaller >= size:
        return {"error": "cuts nothing", "seconds": seconds}
    return {"error": None, "seconds": seconds, "macs_left": left / whole}


def _fixed_layers(graph: WidthGraph) -> set[str]:
    """Layers of which no output can be removed: those that make the network's outputs."""
    free = {slot.parameter for g in graph.groups for slot in g.slots if slot.dim == 0}
    parameters = graph.program.module.named_parameters(remove_duplicate=False)
    return {
        name.removesuffix(".weight")
        for name, tensor in parameters
        if name.endswith(".weight") and tensor.dim() > 1 and name not in free
    }


def _results(
    network: torch.nn.Module, sample: tuple[torch.Tensor, ...]
) -> list[torch.Tensor]:
    with torch.no_grad():
        result = network(*sample)
    return [result] if isinstance(result, torch.Tensor) else list(result)


STEPS = {"cut": cut, "save": save, "export": export, "peer": peer}


def main() -> None:
    torch.set_num_threads(1)
    step, *words = sys.argv[1:]
    try:
        result = STEPS[step](*words)
    except EdgeKitError as error:
        result = {"error": str(error).splitlines()[0]}
    print()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
