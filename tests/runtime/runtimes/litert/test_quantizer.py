"""Files of the AI Edge Quantizer, in every precision and with layers in float."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from edgekit.types import Precision, QuantConfig, TensorSpec

SOURCE = (
    Path(__file__).parents[3] / "unit" / "sources" / "tflite" / "data/net-fp32.tflite"
)


def written(
    place: Path, precision: Precision, quant_config: QuantConfig
) -> tuple[tuple[str, ...], int, np.ndarray, np.ndarray]:
    """Layers of the network, bytes of the file in `precision`, and what both files give."""
    from ai_edge_litert.interpreter import Interpreter

    from edgekit.runtimes.litert.quantizer import Quantizer

    chance = np.random.default_rng(0)
    samples = [
        {"args_0": chance.standard_normal((1, 3, 16, 16)).astype(np.float32)}
        for _ in range(4)
    ]
    spec = TensorSpec(name="args_0", shape=(1, 3, 16, 16), dtype="float32")
    quantizer = Quantizer(SOURCE, [spec], samples, place)
    path = place / "made.tflite"
    quantizer.quantize(precision, quant_config, path)
    outputs = []
    for file in (SOURCE, path):
        interpreter = Interpreter(model_path=str(file))
        interpreter.allocate_tensors()
        [given] = interpreter.get_input_details()
        assert given["dtype"] == np.float32, "the ends stay in float"
        interpreter.set_tensor(given["index"], samples[0]["args_0"])
        interpreter.invoke()
        [end] = interpreter.get_output_details()
        outputs.append(interpreter.get_tensor(end["index"]))
    return quantizer.layers(), path.stat().st_size, outputs[0], outputs[1]


@pytest.mark.parametrize(
    ("precision", "most"), [("fp16", 1e-2), ("int8", 0.15), ("int8-weights", 0.1)]
)
def test_less_than_fp32_is_smaller_and_close(
    apart: ProcessPoolExecutor, tmp_path: Path, precision: Precision, most: float
) -> None:
    found = apart.submit(written, tmp_path, precision, QuantConfig()).result()
    layers, size, exact, given = found
    assert len(layers) >= 3
    assert size < SOURCE.stat().st_size
    assert 0 < np.abs(given - exact).max() <= most * np.ptp(exact)


def test_named_layers_stay_in_float(apart: ProcessPoolExecutor, tmp_path: Path) -> None:
    layers, size, _, _ = apart.submit(written, tmp_path, "int8", QuantConfig()).result()
    kept = QuantConfig(float_layers=layers)
    _, floats, exact, given = apart.submit(written, tmp_path, "int8", kept).result()
    assert floats > size
    assert np.abs(given - exact).max() < 0.1 * np.ptp(exact)
