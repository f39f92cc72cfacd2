"""Responses of an image for files that prepare, decide and take channels last themselves."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgekit.agent.serving.predict import Answerer

LABELS = ["red", "green", "blue"]


def write_bundle(folder: Path, postprocess: str) -> None:
    """A model of bytes (1, 2, 4, 3) that returns the brightest channel."""
    last = (
        helper.make_node("Softmax", ["m"], ["y"], axis=1)
        if postprocess == "softmax"
        else helper.make_node("ArgMax", ["m"], ["y"], axis=1, keepdims=0)
    )
    axes = helper.make_tensor("axes", TensorProto.INT64, [2], [1, 2])
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["f", "axes"], ["m"], keepdims=0),
        last,
    ]
    kind, shape = (TensorProto.FLOAT, [1, 3]) if postprocess == "softmax" else (7, [1])
    given = helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 2, 4, 3])
    answer = helper.make_tensor_value_info("y", kind, shape)
    graph = helper.make_graph(nodes, "brightest", [given], [answer], [axes])
    opset = [helper.make_opsetid("", 18)]
    onnx.save_model(
        helper.make_model(graph, opset_imports=opset, ir_version=9),
        str(folder / "model.onnx"),
    )
    description: dict[str, Any] = {
        "name": "brightest",
        "runtime": "onnxruntime",
        "threads": 1,
        "default": "one",
        "models": {"one": {"files": ["model.onnx"], "layout": "NHWC"}},
        "preprocessing": {"scale": 1.0, "mean": [0.0], "std": [1.0]},
        "labels": LABELS,
        "labels_samples": True,
        "postprocess": postprocess,
    }
    (folder / "image.json").write_text(json.dumps(description))


@pytest.mark.parametrize("postprocess", ["softmax", "argmax"])
def test_samples_come_as_the_network_has_them_and_nothing_is_done_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postprocess: str
) -> None:
    write_bundle(tmp_path, postprocess)
    monkeypatch.setenv("EDGEKIT_BUNDLE", str(tmp_path))
    sample = np.zeros((3, 2, 4), np.float32)
    sample[1], sample[2] = 101, 100
    content = io.BytesIO()
    np.save(content, sample)
    [answer] = Answerer(None).answers(content.getvalue(), "sample.npy")
    assert answer["label"] == "green"
    if postprocess == "softmax":
        assert answer["score"] == pytest.approx(np.e / (1 + np.e), abs=1e-3)
    else:
        assert answer["outputs"] == [1.0]
