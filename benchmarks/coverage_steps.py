"""One step of the coverage benchmark, in a process of its own: its last line is its result."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.utils import _pytree as pytree

from benchmarks.results import Row
from edgekit.errors import ArtifactError, EdgeKitError
from edgekit.graph.graph import WidthGraph, analyze
from edgekit.graph.surgery import mask, shrink
from edgekit.program import program as programs
from edgekit.program.program import Program
from edgekit.types import Plan, RuntimeName
from tests.zoo.exactness import (
    macs,
    outputs,
    random_plan,
    relative_error,
    train_one_step,
)
from tests.zoo.models import EVERY
from tests.zoo.over_kept import leaves
from tests.zoo.silenced import silenced

FRACTION = 0.3
ALONE = 5
"""Groups of each network that are also cut alone."""
ROUNDING = 2e-6
"""Above this the worst cut is compared in double precision too: rounding or a wrong cut?"""
RUNTIMES: tuple[RuntimeName, ...] = ("onnxruntime", "openvino", "litert")


def cut(name: str, folder: str) -> Row:
    """All exact groups together, all groups together, some alone, and every other residual block,
    against the author's module with the same units silent; a block against a branch times zero.

    Leaves the cut network in `folder`, with a sample and its outputs for the exports, and the
    names of the layers that Torch-Pruning must leave alone.
    """
    entry = EVERY[name]
    network = entry.network()
    start = time.perf_counter()
    program = programs.trace(network, entry.inputs, entry.dtypes)
    traced = time.perf_counter()
    graph = analyze(program)
    analyzed = time.perf_counter()
    exact = [group for group in graph.groups if group.exact]
    plan = random_plan(exact, FRACTION)
    result = shrink(graph, plan)
    shrunk = time.perf_counter()
    alone = random.Random(0).sample(graph.groups, min(ALONE, len(graph.groups)))
    plans = [random_plan([group], 0.5, seed=2) for group in alone]
    if len(exact) < len(graph.groups):
        plans.append(random_plan(graph.groups, FRACTION, seed=1))
    blocks = tuple(block.id for block in graph.blocks[::2])
    if blocks:
        plans.append(Plan(kept={}, dropped_blocks=blocks))
    errors = [_differs(name, graph, plan, result)]
    errors += [_differs(name, graph, p, shrink(graph, p)) for p in plans]
    worst = [plan, *plans][errors.index(max(errors))]
    sample = entry.sample()
    random_outputs = not _repeats(network, sample)
    _leave(Path(folder), result, entry.sample(batch=1), _fixed_layers(graph))
    return {
        "error": None,
        "seconds": shrunk - traced,
        "random_outputs": random_outputs,
        "relative_error": None if random_outputs else max(errors),
        "relative_error_float64": _in_double(name, graph, worst)
        if max(errors) > ROUNDING and not random_outputs
        else None,
        "groups": len(graph.groups),
        "groups_exact": len(exact),
        "groups_cut_alone": len(alone),
        "blocks": len(graph.blocks),
        "blocks_dropped": len(blocks),
        "kinds": sorted(
            {group.kind for group in graph.groups} | ({"block"} if blocks else set())
        ),
        "barriers": sorted({f"{b.operator}: {b.why}" for b in graph.barriers}),
        "parameters": _count(program),
        "parameters_left": _count(result),
        "macs": macs(program, sample) // len(sample[0]),
        "macs_left": macs(result, sample) // len(sample[0]),
        "reference": "eager",
        "trains": train_one_step(result.copy(), entry.sample(batch=4)),
        "trace_seconds": traced - start,
        "analyze_seconds": analyzed - traced,
        "shrink_seconds": shrunk - analyzed,
    }


def _leave(
    folder: Path, result: Program, sample: tuple[torch.Tensor, ...], fixed: set[str]
) -> None:
    result.save(folder / "cut.pt2")
    np.savez(folder / "inputs.npz", *(tensor.numpy() for tensor in sample))
    expected = [tensor.numpy() for tensor in outputs(result, sample)]
    np.savez(folder / "expected.npz", *expected)
    (folder / "fixed.json").write_text(json.dumps(sorted(fixed)))


def _repeats(network: torch.nn.Module, sample: tuple[torch.Tensor, ...]) -> bool:
    """True where two runs of the author's network agree; deliberate dropout makes them differ."""
    with torch.no_grad():
        first, again = (pytree.tree_leaves(network(*sample)) for _ in range(2))
    return all(torch.equal(one, other) for one, other in zip(first, again, strict=True))


def _differs(name: str, graph: WidthGraph, plan: Plan, result: Program) -> float:
    sample = EVERY[name].sample()
    if plan.dropped_blocks:
        expected = outputs(mask(graph, plan), sample)
    else:
        network, over_kept = EVERY[name].network(), not _all_exact(graph, plan)
        expected = silenced(network, graph, plan, sample, over_kept=over_kept)
    return relative_error(outputs(result, sample), expected)


def _all_exact(graph: WidthGraph, plan: Plan) -> bool:
    return all(group.exact for group in graph.groups if group.id in plan.kept)


def _in_double(name: str, graph: WidthGraph, plan: Plan) -> float | None:
    """The error of one cut in double precision; `None` where a norm makes it inexact."""
    if plan.dropped_blocks or not _all_exact(graph, plan):
        return None
    sample = tuple(
        t.double() if t.is_floating_point() else t for t in EVERY[name].sample()
    )
    small = shrink(graph, plan)
    small.module.double()
    expected = silenced(EVERY[name].network().double(), graph, plan, sample)
    return relative_error(outputs(small, sample), expected)


def _count(program: Program) -> int:
    return sum(parameter.numel() for parameter in program.module.parameters())


def export(folder: str) -> Row:
    """Reload the cut network and export it; a refusal of one format does not stop the
    others."""
    from edgekit.export.workers import Variant, export_all

    place = Path(folder)
    program = programs.load(place / "cut.pt2")
    result: Row = {}
    try:
        expected: list[Variant] = [(runtime, "fp32") for runtime in RUNTIMES]
        made = export_all(program, expected, calibration=None, folder=place)
        result = {a.runtime: str(a.files[0]) for a in made}
    except ArtifactError:
        for runtime in RUNTIMES:
            try:
                expected = [(runtime, "fp32")]
                made = export_all(program, expected, calibration=None, folder=place)
                result[runtime] = str(made[0].files[0])
            except ArtifactError as error:
                result[f"{runtime} error"] = str(error).splitlines()[0]
    return {"error": None, **result}


def peer(name: str, folder: str) -> Row:
    """Torch-Pruning in naive use: the network, an example, a ratio, the layers to leave alone.

    Those are the layers whose outputs have a fixed size, by EdgeKit's graph.
    """
    import torch_pruning as tp

    entry = EVERY[name]
    network = entry.network()
    sample = entry.sample()
    fixed = json.loads((Path(folder) / "fixed.json").read_text())
    ignored = [module for key, module in network.named_modules() if key in fixed]
    before = [tuple(t.shape) for t in _results(network, sample)]
    whole, size = tp.utils.count_ops_and_params(network, sample)
    start = time.perf_counter()
    try:
        pruner = tp.pruner.BasePruner(
            network,
            sample,
            importance=tp.importance.MagnitudeImportance(p=2),
            pruning_ratio=FRACTION,
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
        return leaves(network(*sample))


STEPS: dict[str, Callable[..., Row]] = {"cut": cut, "export": export, "peer": peer}


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
