"""Losses of quantized files, measured on their runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from edgekit.errors import ArtifactError
from edgekit.export.quantization_accuracy import QuantizationAccuracy, Validation
from edgekit.report.export_words import quantized
from edgekit.types import TaskSpec
from tests.runtime.conftest import write_onnx
from tests.runtime.export.harmed import made


def test_without_recovery_the_loss_is_reported(harmed, apart, tmp_path: Path) -> None:
    found = made(apart, harmed, tmp_path, "onnxruntime", recover=False).quantized
    assert found is not None and found.missed is not None
    assert len(found.trials) == 1
    assert found.accuracy_drop == pytest.approx(0.02 + found.missed)
    assert "training has to recover" in quantized(found)


def test_validation_of_another_shape_is_refused(harmed, apart, tmp_path: Path) -> None:
    program, samples, _ = harmed
    with pytest.raises(ArtifactError, match="takes float32"):
        short = (program, samples[:, :8], None)
        made(apart, short, tmp_path, "onnxruntime", calibration=samples)


@pytest.mark.parametrize(("rows", "sees"), [(8, True), (1 << 15, False)])
def test_a_glance_takes_fewer_samples_of_larger_outputs(
    tmp_path: Path, rows: int, sees: bool
) -> None:
    """The files differ for the 20th sample alone; 16 samples of 32,768 numbers are enough."""
    source = write_onnx(tmp_path / "fp32.onnx", rows)
    model = onnx.load(source.path)
    model.graph.node[1].CopyFrom(helper.make_node("Clip", ["z", "low", "high"], ["y"]))
    for name, value in (("low", 0.0), ("high", 100.0)):
        bound = onnx.numpy_helper.from_array(np.float32(value), name)
        model.graph.initializer.append(bound)
    onnx.save(model, tmp_path / "clipped.onnx")
    samples = np.ones((20, 4), np.float32)
    samples[19] = 1e4
    validation = Validation(
        inputs=samples,
        targets=None,
        task=TaskSpec(kind="regression"),
        root=tmp_path,
        allowed=0.0,
    )
    found = QuantizationAccuracy(source.path, "onnxruntime", validation)
    assert (found.error(tmp_path / "clipped.onnx") > 0.1) == sees
    assert found.accuracy_drop(tmp_path / "clipped.onnx")[1] > 0.1


@pytest.mark.parametrize(("width", "sees"), [(4, True), (1 << 18, False)])
def test_a_glance_takes_fewer_samples_of_larger_inputs(
    tmp_path: Path, width: int, sees: bool
) -> None:
    """The files differ for the 20th sample alone; 16 samples of 262,144 numbers are enough."""
    paths = [tmp_path / "whole.onnx", tmp_path / "clipped.onnx"]
    for path, high in zip(paths, (1e9, 100.0), strict=True):
        nodes = [
            helper.make_node("ReduceMax", ["x", "axes"], ["z"]),
            helper.make_node("Clip", ["z", "low", "high"], ["y"]),
        ]
        initial = [
            onnx.numpy_helper.from_array(np.array([1], np.int64), "axes"),
            onnx.numpy_helper.from_array(np.float32(0), "low"),
            onnx.numpy_helper.from_array(np.float32(high), "high"),
        ]
        ends = [
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, size])
            for name, size in (("x", width), ("y", 1))
        ]
        graph = helper.make_graph(nodes, "widest", ends[:1], ends[1:], initial)
        opset = [helper.make_opsetid("", 18)]
        onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    samples = np.ones((20, width), np.float32)
    samples[19] = 1e4
    validation = Validation(
        inputs=samples,
        targets=None,
        task=TaskSpec(kind="regression"),
        root=tmp_path,
        allowed=0.0,
    )
    found = QuantizationAccuracy(paths[0], "onnxruntime", validation)
    assert (found.error(paths[1]) > 0.1) == sees
    assert found.accuracy_drop(paths[1])[1] > 0.1
