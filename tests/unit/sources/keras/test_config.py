"""Configurations of any version in one form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.unit.sources.keras.files import layer, listed, numbers, output


@pytest.mark.parametrize("counted_from", [0, 1])
def test_keras_2_models_in_models_share_layers(
    tmp_path: Path, counted_from: int
) -> None:
    """Most versions count the call that made a model, so that its first use is number 1."""
    inner = {
        "name": "inner",
        "layers": [
            layer("InputLayer", "i", batch_input_shape=[None, 4], dtype="float32"),
            layer("Dense", "d1", "i", units=4, activation="relu", use_bias=True),
            layer("BatchNormalization", "bn", "d1", axis=[1], momentum=0.9, epsilon=1e-3,
                  center=True, scale=True),
            layer("Dense", "d2", "bn", units=4, activation="linear", use_bias=True),
        ],
        "input_layers": [["i", 0, 0]],
        "output_layers": [["d2", 0, 0]],
    }  # fmt: skip
    model = {
        "class_name": "Model",
        "config": inner,
        "name": "inner",
        "inbound_nodes": [[["x", 0, 0, {}]], [["inner", counted_from, 0, {}]]],
    }
    add = layer("Add", "add")
    add["inbound_nodes"] = [
        [["inner", counted_from, 0, {}], ["inner", counted_from + 1, 0, {}]]
    ]
    config = {
        "class_name": "Model",
        "config": {
            "name": "outer",
            "layers": [
                layer("InputLayer", "x", batch_input_shape=[None, 4], dtype="float32"),
                model,
                add,
            ],
            "input_layers": [["x", 0, 0]],
            "output_layers": [["add", 0, 0]],
        },
    }
    w = {k: numbers(4, 4) for k in ("d1", "d2")}
    b = {k: numbers(4) for k in ("d1", "d2")}
    gamma, beta, mean, variance = (
        numbers(4),
        numbers(4),
        numbers(4),
        np.abs(numbers(4)) + 1,
    )
    arrays = [  # what trains comes first, the model over
        ("d1/kernel:0", w["d1"]), ("d1/bias:0", b["d1"]), ("bn/gamma:0", gamma),
        ("bn/beta:0", beta), ("d2/kernel:0", w["d2"]), ("d2/bias:0", b["d2"]),
        ("bn/moving_mean:0", mean), ("bn/moving_variance:0", variance),
    ]  # fmt: skip
    weights = {"x": [], "inner": arrays, "add": []}
    path = listed(tmp_path / "two.h5", config, weights, "2.2.4")

    def once(x: np.ndarray) -> np.ndarray:
        y = np.maximum(x @ w["d1"] + b["d1"], 0)
        y = (y - mean) / np.sqrt(variance + 1e-3) * gamma + beta
        return np.asarray(y @ w["d2"] + b["d2"])

    x = numbers(3, 4)
    assert np.abs(output(path, x) - (once(x) + once(once(x)))).max() < 1e-5
