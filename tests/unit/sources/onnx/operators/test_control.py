"""Loops are unrolled to what ONNX Runtime gives; those that the inputs decide are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from edgekit.errors import ModelError
from edgekit.sources.onnx.loading import load
from tests.unit.sources.onnx.agreement import agree, by_runtime, drawn, outputs
from tests.unit.sources.onnx.models import make, saved


def value(name: str, kind: int = TensorProto.FLOAT, shape: Any = None) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def test_a_loop_carries_its_state_and_stacks_the_rest(tmp_path: Path) -> None:
    body = helper.make_graph(
        [
            make("Identity", ["going"], ["on"]),
            make("Add", ["state", "state"], ["next"]),
            make("Cast", ["round"], ["number"], to=TensorProto.FLOAT),
            make("Mul", ["next", "number"], ["row"]),
        ],
        "body",
        [
            value("round", TensorProto.INT64, ()),
            value("going", TensorProto.BOOL, ()),
            value("state", shape=(2, 3)),
        ],
        [
            value("on", TensorProto.BOOL, ()),
            value("next", shape=(2, 3)),
            value("row", shape=(2, 3)),
        ],
    )
    node = make("Loop", ["rounds", "", "x"], ["last", "rows"], body=body)
    constants = {"rounds": np.array(3, np.int64)}
    agree(tmp_path / "m.onnx", node, {"x": drawn(2, 3)}, constants)


@pytest.mark.parametrize("back", [0, 1])
def test_a_scan_runs_over_an_axis_either_way(tmp_path: Path, back: int) -> None:
    body = helper.make_graph(
        [make("Add", ["sum", "row"], ["total"]), make("Neg", ["total"], ["seen"])],
        "body",
        [value("sum", shape=(2,)), value("row", shape=(2,))],
        [value("total", shape=(2,)), value("seen", shape=(2,))],
    )
    node = make(
        "Scan",
        ["start", "x"],
        ["end", "all"],
        body=body,
        num_scan_inputs=1,
        scan_input_axes=[1],
        scan_input_directions=[back],
        scan_output_directions=[back],
        scan_output_axes=[1],
    )
    constants = {"start": np.zeros(2, np.float32)}
    agree(tmp_path / "m.onnx", node, {"x": drawn(2, 5)}, constants)


def branching(path: Path, condition: str) -> Path:
    graphs = [
        helper.make_graph([make(kind, ["x"], ["z"])], kind, [], [value("z")])
        for kind in ("Neg", "Exp")
    ]
    nodes = [
        make("ReduceMax", ["x"], ["top"], keepdims=0),
        make("Greater", ["top", "zero"], ["high"]),
        make("If", [condition], ["y"], then_branch=graphs[0], else_branch=graphs[1]),
    ]
    constants = {"zero": np.float32(0), "no": np.array(False)}
    return saved(path, nodes, {"x": (1, 4)}, {"y": None}, constants)


def test_a_branch_of_a_constant_is_taken_and_one_of_the_inputs_is_refused(
    tmp_path: Path,
) -> None:
    path = branching(tmp_path / "net.onnx", "no")
    x = drawn(1, 4)
    np.testing.assert_allclose(
        outputs(load(path), x)[0], by_runtime(path, x=x)[0], rtol=1e-6
    )
    with pytest.raises(ModelError, match="decides by 'high'"):
        load(branching(tmp_path / "net.onnx", "high"))
