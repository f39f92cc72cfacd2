"""The operators behind the tensors that a network ends at, on ONNX Runtime alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from edgekit.program.tail import OUTPUTS
from edgekit.sources.onnx.loading import load
from tests.unit.sources.onnx.models import detector, saved, weights

IMAGE = np.random.default_rng(1).standard_normal((1, 3, 8, 8)).astype(np.float32)
Feeds = dict[str, Any]


def run(model: bytes, feeds: Feeds, names: list[str] | None = None) -> list[Any]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return list(session.run(names, feeds))


def with_outputs(path: Path, names: list[str]) -> bytes:
    """A file that gives inner tensors too."""
    model = onnx.load(path)
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("batch", [1, "N"])
@pytest.mark.parametrize("opset", [11, 12])
def test_a_tail_gives_what_the_file_gives(
    tmp_path: Path, batch: int | str, opset: int
) -> None:
    path = detector(tmp_path / "net.onnx", batch=batch, opset=opset)
    program = load(path, outputs=["offsets", "logits"])
    assert program.tail is not None
    held = onnx.load_from_string(program.tail)
    assert [each.name for each in held.graph.input] == ["offsets", "logits"]
    rows, _, offsets, logits = run(
        with_outputs(path, ["offsets", "logits"]), {"image": IMAGE}
    )
    given = run(program.tail, {"offsets": offsets, "logits": logits}, ["rows"])
    assert rows.shape[1] > 1
    assert np.array_equal(given[0], rows)
    assert program.remarks[-1].startswith("The network ends at offsets, logits:")
    assert "NonMaxSuppression" in program.remarks[-1]


def test_an_output_that_the_network_gives_itself_is_not_in_the_tail(
    tmp_path: Path,
) -> None:
    path = detector(tmp_path / "net.onnx")
    program = load(path, outputs=["boxes", "scores"])
    assert program.tail is not None
    held = onnx.load_from_string(program.tail)
    assert [each.name for each in held.graph.output] == ["rows"]
    [entry] = [e for e in held.metadata_props if e.key == OUTPUTS]
    assert json.loads(entry.value) == ["rows", "scores"]


def test_a_file_whose_end_takes_more_than_the_cuts_has_no_tail(tmp_path: Path) -> None:
    path = detector(tmp_path / "net.onnx", reach="features")
    program = load(path, outputs=["offsets", "logits"])
    assert program.tail is None
    assert "left out of exports" in program.remarks[-1]
    assert "the input image" in program.remarks[-1]


def test_a_file_that_ends_where_it_is_cut_has_none(tmp_path: Path) -> None:
    whole = saved(
        tmp_path / "whole.onnx",
        [helper.make_node("Gemm", ["x", "w"], ["y"])],
        {"x": (1, 4)},
        {"y": (1, 5)},
        weights(w=(4, 5)),
    )
    assert load(whole, outputs=["y"]).tail is None


def test_the_batch_of_a_cut_tensor_comes_first(tmp_path: Path) -> None:
    make = helper.make_node
    path = saved(
        tmp_path / "net.onnx",
        [
            make("MatMul", ["x", "w"], ["y"]),
            make("Transpose", ["y"], ["turned"], perm=[1, 0, 2]),
            make("NonZero", ["turned"], ["places"]),
        ],
        {"x": (1, 6, 4)},
        {"places": None},
        weights(w=(4, 5)),
        dtypes={"places": TensorProto.INT64},
    )
    program = load(path, outputs=["turned"])
    assert program.tail is not None
    x = np.random.default_rng(0).standard_normal((1, 6, 4)).astype(np.float32)
    places, turned = run(with_outputs(path, ["turned"]), {"x": x})
    [name] = [each.name for each in onnx.load_from_string(program.tail).graph.input]
    assert name == "turned/batch-first"
    assert np.array_equal(run(program.tail, {name: turned.swapaxes(0, 1)})[0], places)


def test_a_fixed_input_is_in_the_tail(tmp_path: Path) -> None:
    make = helper.make_node
    path = saved(
        tmp_path / "net.onnx",
        [
            make("Gemm", ["x", "w"], ["y"]),
            make("Greater", ["y", "least"], ["above"]),
            make("NonZero", ["above"], ["places"]),
        ],
        {"x": (1, 4), "least": (1,)},
        {"places": None},
        weights(w=(4, 5)),
        dtypes={"places": TensorProto.INT64},
    )
    program = load(path, outputs=["y"], fixed={"least": 0.25})
    assert program.tail is not None
    y = np.array([[0.1, 0.3, 0.2, 0.9, -1.0]], np.float32)
    assert run(program.tail, {"y": y})[0].tolist() == [[0, 0], [1, 3]]


def test_operators_that_onnx_runtime_lacks_are_left_out_by_name(tmp_path: Path) -> None:
    make = helper.make_node
    path = saved(
        tmp_path / "net.onnx",
        [
            make("Gemm", ["x", "w"], ["y"]),
            make("OfAnotherMaker", ["y"], ["z"], domain="com.microsoft"),
        ],
        {"x": (1, 4)},
        {"z": None},
        weights(w=(4, 5)),
    )
    program = load(path, outputs=["y"])
    assert program.tail is None
    assert "(OfAnotherMaker) and are left out of exports: ONNX" in program.remarks[-1]


def test_a_file_of_a_larger_batch_has_no_tail_and_says_so(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "net.onnx",
        [
            helper.make_node("Gemm", ["x", "w"], ["y"]),
            helper.make_node("NonZero", ["y"], ["places"]),
        ],
        {"x": (2, 4)},
        {"places": None},
        weights(w=(4, 5)),
        dtypes={"places": TensorProto.INT64},
    )
    program = load(path, outputs=["y"])
    assert program.tail is None
    assert "the file holds a batch of 2" in program.remarks[-1]
