"""Operators in two precisions, each as a model of its own, on their runtime."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from edgekit.agent.schema import SCHEMA
from edgekit.cost import microbenchmark
from edgekit.devices.local import LocalDevice
from edgekit.runtimes.weights import INPUT_SCALE, OUTPUT_SCALE
from edgekit.types import Precision, RuntimeName
from edgekit.types.operator_shape import OperatorShape

Array = np.ndarray[Any, np.dtype[Any]]
LINEAR = OperatorShape(kind="linear", inputs=20, outputs=10)
CROSS = OperatorShape(kind="attention", inputs=15, outputs=15, size=(7, 9), groups=3)
NORM = OperatorShape(kind="layer_norm", inputs=12, outputs=12, size=(5, 1))
CHAINS = (CROSS, replace(CROSS, size=(9, 9), groups=1), NORM)


def chain_agrees(place: Path, runtime: RuntimeName, operator: OperatorShape) -> None:
    """Both models compute what PyTorch does, the int8 one within its rounding."""
    rows, features = operator.size[0], operator.inputs
    if operator.kind == "attention":
        rows = max(operator.size)
        features = operator.groups * (7 + 7 + 8)
    steps = np.random.default_rng(0).normal(0, 30, (1, rows, features))
    steps = steps.round().clip(-128, 127)
    x = (steps * INPUT_SCALE).astype(np.float32)
    expected = _chain(operator, torch.from_numpy(x)).numpy()
    real = _output(place, runtime, operator, "fp32", x)
    np.testing.assert_allclose(real, expected, atol=1e-5)
    given, middle = steps.astype(np.int8), 0
    if runtime == "onnxruntime":  # unsigned, around 128
        given, middle = (steps + 128).astype(np.uint8), 128
    norm = operator.kind == "layer_norm"
    if runtime == "openvino" or (runtime == "litert" and norm):
        given = x  # what lies before it is in floating point
    stored = _output(place, runtime, operator, "int8", given) - middle
    # In these tensors in between are rounded, too.
    most = 1.5 if runtime in ("onnxruntime", "openvino") else 0.6
    assert np.abs(stored * OUTPUT_SCALE - expected).max() <= most * OUTPUT_SCALE


def _chain(operator: OperatorShape, x: torch.Tensor) -> torch.Tensor:
    if operator.kind == "layer_norm":
        return F.layer_norm(x, (operator.inputs,))
    heads, (queries, keys) = operator.groups, operator.size
    widths = (7, 7, 8)  # 15 features of a query and a value
    parts = x.split([heads * width for width in widths], 2)
    lengths = (queries, keys, keys)
    query, key, value = (
        part[:, :length].unflatten(2, (heads, -1)).transpose(1, 2)
        for part, length in zip(parts, lengths, strict=True)
    )
    scores = query @ key.mT / 7**0.5
    return (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)


def _output(
    place: Path,
    runtime: RuntimeName,
    operator: OperatorShape,
    precision: Precision,
    x: Array,
) -> Array:
    model = microbenchmark.write(operator, runtime, precision, place)
    np.savez(place / "inputs.npz", x)
    job = {
        "schema": SCHEMA,
        "kind": "infer",
        "runtime": runtime,
        "path": str(model),
        "inputs": str(place / "inputs.npz"),
        "outputs": str(place / "outputs.npz"),
    }
    LocalDevice().run(job, timeout_s=60)
    return np.load(place / "outputs.npz")["output_0"].astype(np.float32)


def int8_agrees(place: Path, runtime: RuntimeName, operator: OperatorShape) -> None:
    """The int8 model computes what the fp32 model does, within its rounding."""

    def output(precision: Precision, x: Array) -> Array:
        return _output(place, runtime, operator, precision, x)

    shape: tuple[int, ...] = (1, *operator.size, operator.inputs)
    if operator.kind == "linear":
        shape = (1, operator.inputs)
    to_planes = (0, 3, 1, 2) if runtime != "litert" and len(shape) == 4 else None
    steps = np.random.default_rng(0).normal(0, 30, shape).round().clip(-128, 127)
    planes = steps.transpose(to_planes) if to_planes else steps
    real = output("fp32", planes.astype(np.float32) * np.float32(INPUT_SCALE))
    moving = operator.kind in ("pool", "slice", "pad")
    scale = INPUT_SCALE if moving else OUTPUT_SCALE
    if runtime == "onnxruntime":  # unsigned, around 128, channels last
        stored = output("int8", (steps + 128).astype(np.uint8)) - 128
        stored = stored.transpose(to_planes) if to_planes else stored
    else:
        stored = output("int8", planes.astype(np.int8))
    expected = real.clip(-128 * scale, 127 * scale)
    assert np.abs(stored * scale - expected).max() <= 1.5 * scale
