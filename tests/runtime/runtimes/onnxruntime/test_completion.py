"""ONNX files that end as the file that the network came from."""

from __future__ import annotations

import numpy as np
import onnxruntime

from tests.runtime.runtimes.conftest import Detections


def run(detections: Detections, name: str) -> tuple[list[str], list[np.ndarray]]:
    path = detections.folder / f"{name}-complete.onnx"
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return names, session.run(None, {"image": detections.image})


def test_a_complete_file_gives_the_original_outputs(detections: Detections) -> None:
    names, found = run(detections, "onnxruntime-fp32")
    assert names == detections.names == ["rows", "scores"]
    assert found[0].shape[1] > 1
    for ours, theirs in zip(found, detections.outputs, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_a_quantized_one_ends_so_too(detections: Detections) -> None:
    names, (rows, scores) = run(detections, "onnxruntime-int8")
    assert names == ["rows", "scores"]
    assert rows.shape[1] > 1
    np.testing.assert_allclose(scores, detections.outputs[1], atol=0.1)


def test_a_format_without_these_operators_has_no_such_file(
    detections: Detections,
) -> None:
    files = sorted(path.name for path in detections.folder.iterdir())
    assert files == [
        "litert-fp32.tflite",
        "onnxruntime-fp32-complete.onnx",
        "onnxruntime-fp32.onnx",
        "onnxruntime-int8-complete.onnx",
        "onnxruntime-int8.onnx",
        "openvino-fp32-complete.bin",
        "openvino-fp32-complete.xml",
        "openvino-fp32.bin",
        "openvino-fp32.xml",
    ]
