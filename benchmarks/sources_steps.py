"""One step of the benchmark of sources, in a process of its own: its last line is its result."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks import sources_builders
from benchmarks.coverage import EXACT
from benchmarks.coverage_steps import FRACTION
from benchmarks.results import Row
from edgekit import sources
from edgekit.errors import EdgeKitError
from edgekit.graph.graph import analyze
from edgekit.graph.surgery import mask, shrink
from edgekit.program.ends import with_ends
from edgekit.program.program import Program, set_training
from edgekit.types import InputSpec, ModelSpec
from tests.zoo.exactness import outputs, random_plan, relative_error
from tests.zoo.over_kept import leaves

STEPS_OF_TRAINING = 20
RATES = (1e-3, 1e-6)
"""The first learning rate, and the last to try."""
FUSED_EPSILON = 1.001e-5
"""The least that TensorFlow's fused batch norm takes: it raises smaller ones to it."""
PROJECTS: dict[str, dict[str, Any]] = {
    "silero_vad_16k_op15.onnx": {
        "fixed": {"sr": 16000},
        "input": InputSpec(name="input", shape=(576,)),
    }
}
"""Project entries that complete a file."""
CHECKPOINTS = {
    "version-RFB-320.pth": ("rfb_320", (3, 240, 320)),
    "resnet56-4bfd9763.th": ("resnet_56", (3, 32, 32)),
}
"""Checkpoints: the function of `sources_builders.py` that makes their network, and its input."""
SAME: dict[str, dict[str, Any]] = {
    "version-RFB-320_without_postprocessing.tflite": {},
    "version-RFB-320.onnx": {"outputs": ("scores", "460")},
}
"""Files of the network in `ORIGINAL` in other formats, and how they are read to end as it does."""
ORIGINAL = "version-RFB-320.pth"


def load(path: Path, **more: Any) -> Program:
    """The network of a file, or of a checkpoint and its builder."""
    if path.name not in CHECKPOINTS:
        spec = ModelSpec(source=path.name, **PROJECTS.get(path.name, {}), **more)
        return sources.load(spec, root=path.parent)
    function, shape = CHECKPOINTS[path.name]
    spec = ModelSpec(
        source=f"sources_builders.py:{function}",
        weights=str(path),
        input=InputSpec(shape=shape),
    )
    return sources.load(spec, root=Path(__file__).parent)


def same(file: str, folder: str) -> Row:
    """Distance of a file from the same network in another format, where that is here too.

    It is measured once more with every epsilon of the original raised to `FUSED_EPSILON`, as
    TensorFlow has it in files that went through it.
    """
    path = Path(file)
    original = path.with_name(ORIGINAL)
    if path.name not in SAME or not original.is_file():
        return {"error": None, "same_as": None}
    given, theirs = load(path, **SAME[path.name]), load(original)
    raised = theirs.copy()
    for node in _batch_norms(raised):
        node.update_arg(7, max(node.args[7], FUSED_EPSILON))
    raised.module.recompile()
    return {
        "error": None,
        "same_as": {
            "name": ORIGINAL,
            "difference": _apart(given, theirs),
            "difference_with_fused_epsilon": _apart(given, raised),
        },
    }


def _apart(one: Program, other: Program) -> float:
    """The largest difference of outputs of equal shape, as a fraction of their range."""
    sample = other.example(2, seed=1)
    found = {tuple(each.shape): each for each in outputs(one, sample)}
    return max(
        float((found[tuple(each.shape)] - each).abs().max() / (each.max() - each.min()))
        for each in outputs(other, sample)
    )


def take(file: str, folder: str) -> Row:
    """Load a model, train it, cut it; the cut network stays in `folder` for the exports."""
    path = Path(file)
    program = load(path)
    graph = analyze(program)
    plan = random_plan([group for group in graph.groups if group.exact], FRACTION)
    small = shrink(graph, plan)
    sample = program.example(2, seed=1)
    found, expected = (
        outputs(_unsquashed(each), sample) for each in (small, mask(graph, plan))
    )
    error = relative_error(found, expected)
    _leave(Path(folder), small)
    return {
        "error": None,
        "parity": _parity(program, path),
        "batch_norms_kept": len(_batch_norms(program)),
        "groups": len(plan.kept),
        "relative_error": error,
        "cut_exact": error < EXACT,
        "trains": (rate := trains(program, sample)) is not None,
        "learning_rate": rate,
    }


def _parity(program: Program, path: Path) -> float | None:
    """The difference that the load found, as a fraction of the outputs' range.

    A checkpoint has no runtime of its own: its network is run eagerly, its weights loaded apart.
    """
    if path.name in CHECKPOINTS:
        return _eager_parity(program, path)
    found = re.search(r"by at most ([0-9.e+-]+) of", " ".join(program.remarks))
    return float(found[1]) if found else None


def _eager_parity(program: Program, path: Path) -> float:
    stored = torch.load(path, map_location="cpu", weights_only=True)
    weights = stored.get("state_dict", stored)
    network = getattr(sources_builders, CHECKPOINTS[path.name][0])().eval()
    network.load_state_dict({n.removeprefix("module."): t for n, t in weights.items()})
    worst = 0.0
    for batch in (1, 3):
        sample = program.example(batch, seed=batch)
        with torch.no_grad():
            expected = leaves(network(*sample))
        for given, each in zip(outputs(program, sample), expected, strict=True):
            apart = (given - each).abs().max() / (each.max() - each.min())
            worst = max(worst, float(apart))
    return worst


def _batch_norms(program: Program) -> list[Any]:
    return list(
        program.module.graph.find_nodes(
            op="call_function", target=torch.ops.aten.batch_norm.default
        )
    )


def trains(program: Program, sample: tuple[Tensor, ...]) -> float | None:
    """The learning rate with which the distance to half of its own outputs falls in 20 steps.

    Scores stand for a softmax, sigmoid or argmax at the end.
    Halved from `RATES[0]` down to `RATES[1]`: networks that were int8 have steep places. `None`
    where no rate works.
    """
    program, rate = _unsquashed(program), RATES[0]
    while rate >= RATES[1]:
        if _falls(program.copy(), sample, rate):
            return rate
        rate /= 2
    return None


def _falls(program: Program, sample: tuple[Tensor, ...], rate: float) -> bool:
    expected = [0.5 * each for each in outputs(program, sample)]
    parameters = [p.requires_grad_() for p in program.module.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=rate)
    set_training(program.module, True)
    losses = []
    for _ in range(STEPS_OF_TRAINING):
        given = leaves(program.module(*sample))
        loss = torch.stack(
            [
                ((a - b) ** 2).mean()
                for a, b in zip(given, expected, strict=True)
                if a.requires_grad
            ]
        ).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses[-1] < losses[0]


def _unsquashed(program: Program) -> Program:
    """The program without a softmax, sigmoid or argmax at the end: near-zero scores of one sample
    are rounding in every runtime."""
    module, ends = with_ends(program.module)
    [end] = module.graph.find_nodes(op="output")
    row: Any = end.args[0]
    more = iter(row[len(ends) :])
    kept = [
        next(more) if squashed else output
        for output, squashed in zip(row, ends, strict=False)
    ]
    end.args = (tuple(kept),)
    module.graph.eliminate_dead_code()
    module.recompile()
    return replace(program, module=module, outputs=())


def _leave(folder: Path, small: Program) -> None:
    small = _unsquashed(small)
    small.save(folder / "cut.pt2")
    sample = small.example(1, seed=2)
    np.savez(folder / "inputs.npz", *(tensor.numpy() for tensor in sample))
    np.savez(
        folder / "expected.npz", *(tensor.numpy() for tensor in outputs(small, sample))
    )


def main() -> None:
    torch.set_num_threads(1)
    name, *words = sys.argv[1:]
    try:
        result = {"take": take, "same": same}[name](*words)
    except EdgeKitError as error:
        result = {"error": str(error).splitlines()[0]}
    print()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
