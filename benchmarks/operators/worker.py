"""Export one-operator networks for one runtime and compare; names come line by line on stdin."""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from benchmarks.operators import CASES, Case
from edgekit.agent import session
from edgekit.agent.runtimes import find, open_model, settings
from edgekit.errors import EdgeKitError, ModelError
from edgekit.export import export
from edgekit.program.program import trace
from edgekit.types import InputSpec, RuntimeName

SEEDS = (1, 2, 3)


def measure(case: Case, runtime: RuntimeName) -> dict[str, Any]:
    """`error`: why there is no file, else `relative_error` of its outputs to PyTorch's."""
    network = case.network()
    samples = [case.sample(seed) for seed in SEEDS]
    inputs = tuple(InputSpec(shape=shape) for shape in case.shapes)
    try:
        program = trace(network, inputs, tuple(x.dtype for x in samples[0]))
    except ModelError as error:
        return {"error": f"not traced: {error}"}
    with tempfile.TemporaryDirectory() as folder:
        try:
            made = export(
                program,
                runtime=runtime,
                precision="fp32",
                calibration=None,
                folder=Path(folder),
                name="one",
            )
        except EdgeKitError as error:
            return {"error": str(error)}
        found, _ = find(runtime)
        try:
            model = open_model(found, str(made.files[0]), 1, settings(found, {}))
            errors = [compared(network, model, sample) for sample in samples]
        except Exception as error:  # noqa: BLE001 (whatever a runtime raises is the finding)
            return {"error": f"not run: {type(error).__name__}: {error}"}
    return {"error": None, "relative_error": max(errors)}


def compared(network: torch.nn.Module, model: Any, sample: Any) -> float:
    """Relative error over all outputs; infinite where a shape, an infinity or a NaN differs."""
    feeds = [
        x.numpy().astype(i.dtype) for x, i in zip(sample, model.inputs, strict=True)
    ]
    got = session.run(model, feeds)
    with torch.no_grad():
        want = [t.numpy() for t in pytree.tree_leaves(network(*sample))]
    if len(got) != len(want) or any(
        g.shape != w.shape for g, w in zip(got, want, strict=True)
    ):
        return float("inf")
    return max(_error(g, w) for g, w in zip(got, want, strict=True))


def _error(got: Any, want: Any) -> float:
    got, want = got.astype(np.float64), want.astype(np.float64)
    finite = np.isfinite(want)
    if not np.array_equal(got[~finite], want[~finite], equal_nan=True):
        return float("inf")
    if not finite.any():
        return 0.0
    scale = max(float(np.abs(want[finite]).max()), 1e-6)
    error = float(np.abs(got[finite] - want[finite]).max()) / scale
    return error if np.isfinite(error) else float("inf")


def main(runtime: RuntimeName) -> None:
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        name = line.rstrip("\n")
        print(json.dumps({"name": name, **measure(CASES[name], runtime)}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
