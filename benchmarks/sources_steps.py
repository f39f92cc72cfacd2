"""One step of the benchmark of sources, in a process of its own: its last line is its result."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

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
PROJECTS: dict[str, dict[str, Any]] = {
    "silero_vad_16k_op15.onnx": {
        "fixed": {"sr": 16000},
        "input": InputSpec(name="input", shape=(576,)),
    }
}
"""Project entries that complete a file."""


SAME = {
    "version-RFB-320_without_postprocessing.tflite": (
        "version-RFB-320.onnx",
        ("scores", "460"),
    )
}
"""Files of one network in two formats, and the tensors of the second at which the first ends."""


def same(file: str, folder: str) -> Row:
    """Distance of a file from the same network in another format, where that is here too."""
    path = Path(file)
    name, ends = SAME.get(path.name, ("", ()))
    if not name or not (path.parent / name).is_file():
        return {"error": None, "same_as": None}
    ours = sources.load(ModelSpec(source=path.name), root=path.parent)
    theirs = sources.load(ModelSpec(source=name, outputs=ends), root=path.parent)
    sample = ours.example(2, seed=1)
    found = {tuple(each.shape): each for each in outputs(ours, sample)}
    apart = [
        float((found[tuple(each.shape)] - each).abs().max() / (each.max() - each.min()))
        for each in outputs(theirs, sample)
    ]
    return {"error": None, "same_as": {"name": name, "difference": max(apart)}}


def take(file: str, folder: str) -> Row:
    """Load a model, train it, cut it; the cut network stays in `folder` for the exports."""
    path = Path(file)
    spec = ModelSpec(source=path.name, **PROJECTS.get(path.name, {}))
    program = sources.load(spec, root=path.parent)
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
        "parity": _parity(program),
        "batch_norms_kept": len(_batch_norms(program)),
        "groups": len(plan.kept),
        "relative_error": error,
        "cut_exact": error < EXACT,
        "trains": (rate := trains(program, sample)) is not None,
        "learning_rate": rate,
    }


def _parity(program: Program) -> float | None:
    """The difference that the load found, as a fraction of the outputs' range."""
    found = re.search(r"by at most ([0-9.e+-]+) of", " ".join(program.remarks))
    return float(found[1]) if found else None


def _batch_norms(program: Program) -> list[Any]:
    return list(
        program.module.graph.find_nodes(
            op="call_function", target=torch.ops.aten.batch_norm.default
        )
    )


def trains(program: Program, sample: tuple[Tensor, ...]) -> float | None:
    """The learning rate with which the distance to half of its own outputs falls in 20 steps.

    Halved from `RATES[0]` down to `RATES[1]`: networks that were int8 have steep places. `None`
    where no rate works.
    """
    rate = RATES[0]
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


def peer(file: str, folder: str) -> Row:
    """Return whether onnx2torch makes a module of a file, or why not."""
    if not file.endswith(".onnx"):
        return {"error": "takes ONNX files alone"}
    if importlib.util.find_spec("onnx2torch") is None:
        return {"error": "not installed"}
    from onnx2torch import convert

    try:
        convert(file)
    except Exception as error:  # noqa: BLE001 - whatever the peer raises is its result
        first = (str(error).splitlines() or [""])[0]
        return {"error": f"{type(error).__name__}: {first}"[:160]}
    return {"error": None}


def main() -> None:
    torch.set_num_threads(1)
    name, *words = sys.argv[1:]
    try:
        result = {"take": take, "peer": peer, "same": same}[name](*words)
    except EdgeKitError as error:
        result = {"error": str(error).splitlines()[0]}
    print()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
