"""Files of ONNX Runtime's quantizer follow the configuration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from edgekit.runtimes.onnxruntime import quantizer as quantizers
from edgekit.runtimes.onnxruntime.quantizer import Quantizer, halve
from edgekit.types import QuantConfig, RangeMethod, TensorSpec
from tests.runtime.conftest import write_onnx
from tests.runtime.export.harmed import made


def test_a_quant_config_is_what_the_file_holds(harmed, apart, tmp_path: Path) -> None:
    unsigned = QuantConfig(activations="unsigned", narrow_weights=True)
    artifact = made(
        apart, harmed, tmp_path, "onnxruntime", recover=False, quant_config=unsigned
    )
    model = onnx.load(str(artifact.files[0]))
    stored = {
        each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer
    }
    zeros = [v.dtype for name, v in stored.items() if name.endswith("_zero_point")]
    assert np.dtype(np.uint8) in zeros
    weights = [v for v in stored.values() if v.dtype == np.int8 and v.ndim == 2]
    assert weights and max(int(np.abs(w.astype(int)).max()) for w in weights) <= 64


def test_half_precision_is_stored_and_widened(tmp_path: Path) -> None:
    source = write_onnx(tmp_path / "fp32.onnx", rows=64)
    halve(source.path, tmp_path / "fp16.onnx")
    model = onnx.load(tmp_path / "fp16.onnx")
    assert [each.data_type for each in model.graph.initializer] == [
        onnx.TensorProto.FLOAT16
    ]
    x = np.float32([[1, -2, 0.5, 3]])
    session = onnxruntime.InferenceSession(str(tmp_path / "fp16.onnx"))
    [found] = session.run(None, {"x": x})
    np.testing.assert_allclose(found, source.reference(x), rtol=5e-3, atol=5e-3)
    small = write_onnx(tmp_path / "small.onnx").path
    halve(small, tmp_path / "same.onnx")
    [kept] = onnx.load(tmp_path / "same.onnx").graph.initializer
    assert kept.data_type == onnx.TensorProto.FLOAT


@pytest.mark.parametrize(("ranges", "sees"), [("percentile", False), ("min-max", True)])
def test_histograms_of_large_images_are_of_few_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ranges: RangeMethod, sees: bool
) -> None:
    """Histograms have all their samples in memory: eight, none of which has the largest value.
    The least and the greatest value are taken of all samples."""
    monkeypatch.setattr(quantizers, "_HISTOGRAM_VALUES", 9 * 290**2 - 1)
    relu = helper.make_node("Relu", ["x"], ["y"], name="relu")
    scaled = helper.make_node("MatMul", ["y", "w"], ["z"], name="scaled")
    shape = [1, 290, 290]
    graph = helper.make_graph(
        [relu, scaled],
        "large",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, [1, 290, 1])],
        [onnx.numpy_helper.from_array(np.ones((290, 1), np.float32), "w")],
    )
    onnx.save(
        helper.make_model(
            graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)]
        ),
        tmp_path / "fp32.onnx",
    )
    image = np.ones(shape, np.float32)
    samples = [{"x": image}] * 8 + [{"x": 100 * image}]
    spec = TensorSpec(name="x", shape=tuple(shape), dtype="float32")
    quantizer = Quantizer(tmp_path / "fp32.onnx", [spec], samples, tmp_path)
    quantizer.quantize("int8", QuantConfig(ranges=ranges), tmp_path / "int8.onnx")
    stored = onnx.load(tmp_path / "int8.onnx").graph.initializer
    [scale] = [onnx.numpy_helper.to_array(s) for s in stored if s.name == "y_scale"]
    assert (float(scale) > 0.1) == sees
