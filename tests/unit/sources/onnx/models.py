"""Tiny ONNX models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Arrays = Mapping[str, np.ndarray[Any, Any]]
make = helper.make_node


def saved(  # noqa: PLR0913 (what a model is made of)
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, tuple[Any, ...]],
    outputs: Mapping[str, tuple[Any, ...] | None],
    constants: Arrays | None = None,
    *,
    opset: int = 17,
    dtypes: Mapping[str, int] | None = None,
) -> Path:
    """A model file of these nodes; sizes are numbers or names."""
    kinds = dtypes or {}
    graph = helper.make_graph(
        nodes,
        "net",
        [_value(name, shape, kinds) for name, shape in inputs.items()],
        [_value(name, shape, kinds) for name, shape in outputs.items()],
        [numpy_helper.from_array(v, n) for n, v in (constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    onnx.save_model(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def _value(
    name: str, shape: tuple[Any, ...] | None, kinds: Mapping[str, int]
) -> onnx.ValueInfoProto:
    kind = kinds.get(name, TensorProto.FLOAT)
    return helper.make_tensor_value_info(name, kind, shape)


def weights(seed: int = 0, **shapes: tuple[int, ...]) -> dict[str, Any]:
    """Seeded weights; names have a dot where the argument has two underscores."""
    chance = np.random.default_rng(seed)
    made = {
        name.replace("__", "."): chance.standard_normal(shape).astype(np.float32)
        for name, shape in shapes.items()
    }
    return {
        name: np.abs(value) + 0.5 if name.endswith("running_var") else value
        for name, value in made.items()
    }


def classifier(path: Path, *, batch: Any = 1, opset: int = 17) -> Path:
    """A convolution, a batch norm of its own momentum, a flattening that holds the batch, a
    layer and a softmax; and a layer that nothing needs."""
    constants = weights(
        features__0__weight=(4, 3, 3, 3),
        features__1__weight=(4,),
        features__1__bias=(4,),
        features__1__running_mean=(4,),
        features__1__running_var=(4,),
        head__weight=(5, 256),
        head__bias=(5,),
        unused__weight=(5, 5),
    )
    constants["flat"] = np.array([1 if batch == 1 else -1, 256], np.int64)
    norm = [
        f"features.1.{n}" for n in ("weight", "bias", "running_mean", "running_var")
    ]
    nodes = [
        make("Conv", ["picture", "features.0.weight"], ["c"], pads=[1, 1, 1, 1]),
        make("BatchNormalization", ["c", *norm], ["n"], epsilon=2e-3, momentum=0.7),
        make("Relu", ["n"], ["r"]),
        make("Reshape", ["r", "flat"], ["f"]),
        make("Gemm", ["f", "head.weight", "head.bias"], ["g"], transB=1),
        make("Softmax", ["g"], ["scores"], axis=1),
        make("MatMul", ["scores", "unused.weight"], ["nothing"]),
    ]
    shapes = {"picture": (batch, 3, 8, 8)}, {"scores": (batch, 5)}
    return saved(path, nodes, *shapes, constants, opset=opset)


def detector(path: Path, *, batch: Any = 1, opset: int = 11, reach: str = "") -> Path:
    """An SSD in small: offsets and logits of 16 priors, decoded, suppressed, and gathered.

    Its outputs are `rows` (a row a detection) and `scores`. The operators behind `logits` take
    the shape of a tensor before them, and with `reach` that tensor's values too.
    """
    constants: dict[str, Any] = weights(
        stem__weight=(6, 3, 3, 3),
        offsets__weight=(4, 6, 1, 1),
        logits__weight=(3, 6, 1, 1),
    )
    grid = (np.stack(np.meshgrid(np.arange(4), np.arange(4)), -1) + 0.5) / 4
    constants |= {
        "priors": grid.reshape(1, 16, 2).astype(np.float32),
        "boxes.flat": np.array([0 if batch != 1 else 1, -1, 4], np.int64),
        "scores.flat": np.array([0 if batch != 1 else 1, -1, 3], np.int64),
        "half": np.float32(0.5),
        "many": np.array([5], np.int64),
        "overlap": np.array([0.5], np.float32),
        "least": np.array([0.2], np.float32),
        "zero": np.array([0], np.int64),
        "two": np.array([2], np.int64),
        "four": np.array([4], np.int64),
        "places": np.array([0, 2], np.int64),
    }
    make = helper.make_node
    seen = make("Shape", ["features"], ["sizes"])
    if reach:
        seen = make("Cast", [reach], ["sizes"], to=TensorProto.INT64)
    nodes = [
        make("Conv", ["image", "stem.weight"], ["c"], strides=[2, 2], pads=[1] * 4),
        make("Relu", ["c"], ["features"]),
        make("Conv", ["features", "offsets.weight"], ["o"]),
        make("Transpose", ["o"], ["ot"], perm=[0, 2, 3, 1]),
        make("Reshape", ["ot", "boxes.flat"], ["offsets"]),
        make("Conv", ["features", "logits.weight"], ["l"]),
        make("Transpose", ["l"], ["lt"], perm=[0, 2, 3, 1]),
        make("Reshape", ["lt", "scores.flat"], ["logits"]),
        make("Sigmoid", ["logits"], ["scores"]),
        seen,
        make("Cast", ["sizes"], ["sized"], to=TensorProto.FLOAT),
        make("ReduceMax", ["sized"], ["largest"], keepdims=0),
        make("Tanh", ["offsets"], ["moved"]),
        make("Mul", ["moved", "half"], ["halved"]),
        make("Concat", ["priors", "priors"], ["centers"], axis=2),
        make("Div", ["halved", "largest"], ["scaled"]),
        make("Add", ["centers", "scaled"], ["boxes"]),
        make("Transpose", ["scores"], ["by.class"], perm=[0, 2, 1]),
        make(
            "NonMaxSuppression",
            ["boxes", "by.class", "many", "overlap", "least"],
            ["kept"],
        ),
        make("Gather", ["kept", "two"], ["numbers"], axis=1),
        make("Squeeze", ["numbers"], ["row.numbers"], axes=[1]),
        make("Gather", ["boxes", "row.numbers"], ["rows"], axis=1),
    ]
    shapes = {"image": (batch, 3, 8, 8)}, {"rows": None, "scores": (batch, 16, 3)}
    return saved(path, nodes, *shapes, constants, opset=opset)
