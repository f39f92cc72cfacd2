"""Operators in two precisions, each as a model of its own, on their runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgekit.agent.schema import SCHEMA
from edgekit.cost import microbenchmark
from edgekit.devices.local import LocalDevice
from edgekit.runtimes.weights import INPUT_SCALE, OUTPUT_SCALE
from edgekit.types import Precision, RuntimeName
from edgekit.types.operator_shape import OperatorShape

Array = np.ndarray[Any, np.dtype[Any]]
LINEAR = OperatorShape(kind="linear", inputs=20, outputs=10)


def int8_agrees(place: Path, runtime: RuntimeName, operator: OperatorShape) -> None:
    """The int8 model computes what the fp32 model does, within its rounding."""

    def output(precision: Precision, x: Array) -> Array:
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
