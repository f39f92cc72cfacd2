"""Files in the forms of Keras 1 and 2, against sums written out here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from tests.unit.sources.keras.files import listed, numbers, output


def test_keras_1_convolutions_and_batch_norm(tmp_path: Path) -> None:
    kernel, bias = numbers(3, 3, 2, 4), numbers(4)
    norm = [numbers(4), numbers(4), numbers(4), np.abs(numbers(4)) + 0.5]
    dense = [numbers(100, 3), numbers(3)]
    config = {
        "class_name": "Sequential",
        "config": [
            {"class_name": "Convolution2D", "config": {
                "name": "convolution2d_1", "trainable": True, "nb_filter": 4, "nb_row": 3,
                "nb_col": 3, "border_mode": "same", "subsample": [1, 1], "dim_ordering": "tf",
                "activation": "relu", "bias": True, "batch_input_shape": [None, 5, 5, 2],
                "input_dtype": "float32"}},
            {"class_name": "BatchNormalization", "config": {
                "name": "batchnormalization_1", "mode": 0, "axis": -1, "epsilon": 1e-3,
                "momentum": 0.99}},
            {"class_name": "Dropout", "config": {"name": "dropout_1", "p": 0.5}},
            {"class_name": "Flatten", "config": {"name": "flatten_1"}},
            {"class_name": "Dense", "config": {
                "name": "dense_1", "output_dim": 3, "activation": "hard_sigmoid"}},
        ],
    }  # fmt: skip
    names = ["gamma", "beta", "running_mean", "running_std"]
    path = listed(
        tmp_path / "old.h5",
        config,
        {
            "convolution2d_1": [
                ("convolution2d_1_W", kernel),
                ("convolution2d_1_b", bias),
            ],
            "batchnormalization_1": [
                (f"batchnormalization_1_{n}", a)
                for n, a in zip(names, norm, strict=True)
            ],
            "dropout_1": [],
            "flatten_1": [],
            "dense_1": [("dense_1_W", dense[0]), ("dense_1_b", dense[1])],
        },
        None,
    )
    x = numbers(2, 5, 5, 2)
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    y = sum(
        padded[:, i : i + 5, j : j + 5] @ kernel[i, j]
        for i in range(3)
        for j in range(3)
    )
    y = np.maximum(y + bias, 0)
    y = (y - norm[2]) / np.sqrt(norm[3] + 1e-3) * norm[0] + norm[1]
    expected = np.clip(0.2 * (y.reshape(2, -1) @ dense[0] + dense[1]) + 0.5, 0, 1)
    found = output(path, np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
    assert np.abs(found - expected).max() < 1e-5


def test_keras_1_th_kernels_and_theanos_turned_ones(tmp_path: Path) -> None:
    kernel, bias = numbers(4, 2, 3, 3), numbers(4)
    config = {
        "class_name": "Sequential",
        "config": [
            {"class_name": "Convolution2D", "config": {
                "name": "c", "nb_filter": 4, "nb_row": 3, "nb_col": 3, "border_mode": "valid",
                "subsample": [2, 2], "dim_ordering": "th", "activation": "linear",
                "bias": True, "batch_input_shape": [None, 2, 7, 7]}},
        ],
    }  # fmt: skip
    weights = {"c": [("c_W", kernel), ("c_b", bias)]}
    x = numbers(2, 2, 7, 7)
    for backend in (None, "theano"):
        path = listed(tmp_path / f"{backend}.h5", config, weights, None)
        if backend is not None:
            import h5py

            with h5py.File(path, "a") as file:
                file.attrs["backend"] = b"theano"
        turned = kernel if backend is None else kernel[:, :, ::-1, ::-1].copy()
        expected = torch.nn.functional.conv2d(
            torch.from_numpy(x), torch.from_numpy(turned), torch.from_numpy(bias), 2
        )
        assert np.abs(output(path, x) - expected.numpy()).max() < 1e-5


def test_keras_1_lstm_of_twelve_weights(tmp_path: Path) -> None:
    parts = {gate: [numbers(3, 4), numbers(4, 4), numbers(4)] for gate in "icfo"}
    arrays = [
        (f"lstm_1_{kind}_{gate}", parts[gate][n])
        for gate in "icfo"
        for n, kind in enumerate("WUb")
    ]
    config = {
        "class_name": "Sequential",
        "config": [
            {"class_name": "LSTM", "config": {
                "name": "lstm_1", "output_dim": 4, "activation": "tanh",
                "inner_activation": "hard_sigmoid", "return_sequences": False,
                "go_backwards": False, "stateful": False, "input_dim": 3,
                "batch_input_shape": [None, 6, 3]}},
        ],
    }  # fmt: skip
    path = listed(tmp_path / "lstm.h5", config, {"lstm_1": arrays}, "1.2.2")
    x = numbers(2, 6, 3)
    h, c = np.zeros((2, 4)), np.zeros((2, 4))
    for step in range(6):
        g = {
            gate: x[:, step] @ w + h @ u + b
            for gate, (w, u, b) in parts.items()
        }  # fmt: skip
        opened = {gate: np.clip(0.2 * g[gate] + 0.5, 0, 1) for gate in "ifo"}
        c = opened["f"] * c + opened["i"] * np.tanh(g["c"])
        h = opened["o"] * np.tanh(c)
    assert np.abs(output(path, x) - h).max() < 1e-5
