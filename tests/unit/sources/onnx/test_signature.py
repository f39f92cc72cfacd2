"""Inputs of a file: the batch, fixed inputs and free sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgekit.errors import ModelError
from edgekit.sources.onnx.loading import load
from edgekit.types import InputSpec
from tests.unit.sources.onnx.agreement import by_runtime, drawn, outputs
from tests.unit.sources.onnx.models import make, saved, weights


def lstm(path: Path) -> Path:
    """A state whose batch is its second dimension, chosen by a rate that is to be fixed."""
    constants = weights(W=(1, 32, 6), R=(1, 32, 8), B=(1, 64))
    constants |= {
        "expected": np.array(16000, np.int64),
        "time": np.array([0], np.int64),
        "first": np.array([0], np.int64),
        "one": np.array([1], np.int64),
        "two": np.array([2], np.int64),
    }
    taken = ["steps", "W", "R", "B", "", "h0", "c0"]
    inner = helper.make_graph(
        [
            make("Slice", ["state", "first", "one", "time"], ["h0"]),
            make("Slice", ["state", "one", "two", "time"], ["c0"]),
            make("Unsqueeze", ["x", "time"], ["steps"]),
            make("LSTM", taken, ["Y", "h", "c"], hidden_size=8),
            make("Concat", ["h", "c"], ["new"], axis=0),
            make("Squeeze", ["h", "time"], ["last"]),
        ],
        "yes",
        [],
        [helper.make_empty_tensor_value_info(n) for n in ("last", "new")],
    )
    other = helper.make_graph(
        [make("Unknown8k", ["x"], ["none"]), make("Identity", ["state"], ["same"])],
        "no",
        [],
        [helper.make_empty_tensor_value_info(n) for n in ("none", "same")],
    )
    nodes = [
        make("Equal", ["rate", "expected"], ["is_16k"]),
        make("If", ["is_16k"], ["out", "state_out"], then_branch=inner, else_branch=other),
    ]  # fmt: skip
    return saved(
        path,
        nodes,
        {"x": ("N", 6), "state": (2, "N", 8), "rate": ()},
        {"out": ("N", 8), "state_out": (2, "N", 8)},
        constants,
        dtypes={"rate": TensorProto.INT64},
    )


def test_a_fixed_input_decides_and_the_batch_of_a_state_comes_first(
    tmp_path: Path,
) -> None:
    path = lstm(tmp_path / "net.onnx")
    model = onnx.load(path)
    for attribute in model.graph.node[1].attribute:
        if attribute.name == "else_branch":  # which ONNX Runtime needs
            attribute.g.node[0].op_type = "Relu"
    onnx.save(model, path)
    with pytest.raises(ModelError, match="'rate' has no dimension for the batch"):
        load(path)
    program = load(path, fixed={"rate": 16000})
    x, state = drawn(3, 6), drawn(3, 2, 8, seed=1)
    expected = by_runtime(
        path, x=x, state=state.swapaxes(0, 1), rate=np.array(16000, np.int64)
    )
    found = outputs(program, x, state)
    np.testing.assert_allclose(found[0], expected[0], atol=1e-6)
    np.testing.assert_allclose(found[1].swapaxes(0, 1), expected[1], atol=1e-6)
    assert program.inputs[1] == InputSpec(name="state", shape=(2, 8))
    assert program.remarks[-1].endswith("here moved for state, state_out.")
    assert {n.rpartition(".")[2] for n, _ in program.module.named_parameters()} == {
        "weight_ih",
        "weight_hh",
        "bias_ih",
        "bias_hh",
    }


def test_free_sizes_are_asked_for_and_taken(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "net.onnx",
        [make("Conv", ["x", "w"], ["c"]), make("GlobalAveragePool", ["c"], ["y"])],
        {"x": ("N", 3, "h", "w_")},
        {"y": None},
        weights(w=(4, 3, 3, 3)),
    )
    with pytest.raises(ModelError, match="free sizes: h, w_"):
        load(path)
    with pytest.raises(ModelError, match=r"has \[4, 8, 8\]"):
        load(path, inputs=[InputSpec(shape=(4, 8, 8))])
    assert load(path, inputs=[InputSpec(shape=(3, 8, 8))]).inputs[0].shape == (3, 8, 8)
