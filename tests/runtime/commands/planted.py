"""A project with a model and its baseline, and one regression of each kind to plant."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

Plant = Callable[[Path], object]


def copied(exported_project: Path, folder: Path) -> Path:
    """The project with its float ONNX file as `model.onnx`."""
    shutil.copytree(exported_project, folder)
    shutil.copy(folder / "files/onnxruntime-fp32.onnx", folder / "model.onnx")
    return folder


def _change(folder: Path, change: Callable[[onnx.ModelProto], object]) -> None:
    model = onnx.load(folder / "model.onnx")
    change(model)
    onnx.save(model, folder / "model.onnx")


def larger(folder: Path) -> None:
    def pad(model: onnx.ModelProto) -> None:
        unused = numpy_helper.from_array(np.zeros(500, np.float32), "unused")
        model.graph.initializer.append(unused)

    _change(folder, pad)


def less_accurate(folder: Path) -> None:
    """Other labels: the file is its network, and both are wrong more often."""
    held = np.load(folder / "data.npz")
    y = held["y"].copy()
    y[::3] = (y[::3] + 1) % (y.max() + 1)
    np.savez(folder / "data.npz", x=held["x"], y=y)


def another_network(folder: Path) -> None:
    def scale(model: onnx.ModelProto) -> None:
        for one in model.graph.initializer:
            values = numpy_helper.to_array(one)
            if values.ndim == 2:
                moved = np.ascontiguousarray(values * np.float32(1.3))
                one.CopyFrom(numpy_helper.from_array(moved, one.name))

    _change(folder, scale)


def another_contract(folder: Path) -> None:
    def rename(model: onnx.ModelProto) -> None:
        old = model.graph.input[0].name
        new = "p" * len(old)  # no byte more
        model.graph.input[0].name = new
        for node in model.graph.node:
            node.input[:] = [new if x == old else x for x in node.input]

    _change(folder, rename)


def slower_operators(folder: Path) -> None:
    shutil.copy(folder / "files/onnxruntime-int8.onnx", folder / "model.onnx")


REGRESSIONS: dict[str, Plant] = {
    "model_bytes": larger,
    "accuracy": less_accurate,
    "parity": another_network,
    "contract": another_contract,
    "slow_operators": slower_operators,
}
"""Names of the checks that end red, and how to plant each regression."""
