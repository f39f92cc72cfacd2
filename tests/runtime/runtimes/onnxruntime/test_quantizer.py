"""Files of ONNX Runtime's quantizer follow the configuration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from edgekit.runtimes.onnxruntime.quantizer import halve
from edgekit.types import QuantConfig
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
