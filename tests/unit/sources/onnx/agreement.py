"""An ONNX file by the reader and by ONNX Runtime itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import helper
from torch import nn

from edgekit.program.program import Program
from edgekit.sources.onnx import graph
from edgekit.sources.onnx.batch import Batch
from edgekit.sources.onnx.constants import Constants
from edgekit.sources.onnx.walk import Walk
from tests.unit.sources.onnx.models import saved

Shapes = dict[str, tuple[int, ...]]
Case = tuple[str, Shapes, Shapes, dict[str, Any]]
"""An operator, its inputs, its constants and its attributes."""
Older = tuple[str, int, dict[str, Any], dict[str, Any]]
"""An operator, its operator set, its attributes and its constants."""


def by_runtime(path: Path, **feeds: Any) -> list[Any]:
    session = onnxruntime.InferenceSession(str(path))
    return list(session.run(None, feeds))


def outputs(program: Program, *inputs: Any) -> list[Any]:
    with torch.no_grad():
        given = program.module(*(torch.from_numpy(each) for each in inputs))
    given = [given] if isinstance(given, torch.Tensor) else given
    return [each.numpy() for each in given]


def drawn(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def agree(
    path: Path,
    node: onnx.NodeProto,
    given: dict[str, Any],
    constants: dict[str, Any],
    *,
    opset: int = 17,
    kinds: dict[str, Any] | None = None,
) -> None:
    """The reader and ONNX Runtime give the same for one operator.

    `kinds` are the types of outputs that do not have real numbers.
    """
    dtypes = {name: value.dtype for name, value in given.items()} | (kinds or {})
    shapes = {name: value.shape for name, value in given.items()}
    expected = {name: None for name in node.output if name}
    if node.op_type == "TopK":
        dtypes[node.output[1]] = np.int64
    numbers = {
        n: helper.np_dtype_to_tensor_dtype(np.dtype(kind)) for n, kind in dtypes.items()
    }
    model = onnx.load(
        saved(path, [node], shapes, expected, constants, opset=opset, dtypes=numbers)
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options)
    walk = Walk(Constants(nn.Module()), Batch(1, 1))
    tensors = {name: torch.from_numpy(value) for name, value in given.items()}
    with torch.no_grad():
        found = walk.run(graph.parsed(model), tensors)
    for mine, theirs in zip(found, session.run(None, given), strict=True):
        value = mine.numpy() if isinstance(mine, torch.Tensor) else mine
        assert value.shape == theirs.shape
        np.testing.assert_allclose(value, theirs, atol=2e-5, rtol=2e-5)


def agree_fused(path: Path, case: Case) -> None:
    """As `agree`, for an operator of ONNX Runtime's own domain."""
    name, shapes, held, said = case
    given = {n: drawn(*shape, seed=i) for i, (n, shape) in enumerate(shapes.items())}
    constants = {n: drawn(*s, seed=9 + i) for i, (n, s) in enumerate(held.items())}
    node = helper.make_node(
        name, [*given, *constants], ["y"], domain="com.microsoft", **said
    )
    agree(path, node, given, constants)


def agree_old(path: Path, case: Older) -> None:
    """As `agree`, for an operator on `x` (2, 4, 6, 5) as an older set has it."""
    name, opset, said, constants = case
    channels = 1 if name in ("Squeeze", "Einsum") else 4
    count = 2 if name in ("Split", "TopK") else 1
    outputs = [f"y{n}" for n in range(count)]
    node = helper.make_node(name, ["x", *constants], outputs, **said)
    x = drawn(2, channels, 6, 5)
    agree(path, node, {"x": x}, constants, opset=opset)
