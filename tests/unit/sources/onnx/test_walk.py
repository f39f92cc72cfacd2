"""The walk over a graph: known numbers leave no trace, faults have one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edgekit.errors import ModelError
from edgekit.sources.onnx.loading import load
from tests.unit.sources.onnx.agreement import by_runtime, drawn, outputs
from tests.unit.sources.onnx.models import make, saved, weights


def test_shape_arithmetic_leaves_nothing_in_the_program(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "net.onnx",
        [
            make("Shape", ["x"], ["shape"]),
            make("Gather", ["shape", "first"], ["batch"], axis=0),
            make("Concat", ["batch", "rest"], ["target"], axis=0),
            make("Reshape", ["x", "target"], ["flat"]),
            make("Gemm", ["flat", "w"], ["y"]),
        ],
        {"x": ("N", 2, 3)},
        {"y": ("N", 5)},
        weights(w=(6, 5))
        | {"first": np.array([0], np.int64), "rest": np.array([6], np.int64)},
    )
    program = load(path)
    x = drawn(4, 2, 3)
    np.testing.assert_allclose(
        outputs(program, x)[0], by_runtime(path, x=x)[0], atol=1e-5
    )
    called = {n.target for n in program.module.graph.nodes if n.op == "call_function"}
    assert torch.ops.aten.cat.default not in called
    assert not list(program.module.buffers())


def test_operands_that_do_not_fit_are_named_with_their_shapes(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "net.onnx",
        [make("Add", ["x", "w"], ["y"], name="stem/Add")],
        {"x": (1, 4)},
        {"y": None},
        weights(w=(3, 5)),
    )
    match = (
        r"Cannot compute the ONNX operator Add 'stem/Add' of inputs \[1, 4\], \[3, 5\]"
    )
    with pytest.raises(ModelError, match=match) as error:
        load(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (("Unheard", ["x"]), "Unheard 'y' is not supported"),
        (("Relu", ["nowhere"]), "gives 'nowhere', which is used"),
        (("Tile", ["x", "x"]), "takes 'x' from the network's inputs"),
    ],
)
def test_what_cannot_be_computed_is_refused(
    tmp_path: Path, node: tuple[str, list[str]], said: str
) -> None:
    kept = make("Identity", ["x"], ["z"])
    path = saved(
        tmp_path / "net.onnx",
        [kept, make(*node, ["y"])],
        {"x": (1, 4)},
        {"y": None, "z": None},
    )
    with pytest.raises(ModelError, match=said):
        load(path)


def test_a_layout_of_one_processor_is_named(tmp_path: Path) -> None:
    node = make("ReorderInput", ["x"], ["y"], name="r", domain="com.microsoft.nchwc")
    path = saved(tmp_path / "net.onnx", [node], {"x": (1, 8, 4, 4)}, {"y": None})
    with pytest.raises(ModelError, match=r"layout of one processor.*_EXTENDED"):
        load(path)
    node.domain = "com.elsewhere"
    path = saved(tmp_path / "other.onnx", [node], {"x": (1, 8, 4, 4)}, {"y": None})
    with pytest.raises(ModelError, match=r"'r' of com\.elsewhere is not supported"):
        load(path)
