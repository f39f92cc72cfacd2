"""Data of a build: read, split and drawn for one network's input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from edgekit.config import project
from edgekit.pipeline.samples import read_samples
from edgekit.program.program import trace
from edgekit.progress import Silent
from edgekit.types import InputSpec

TOML = """\
[model]
source = "model.py:build"
input = { shape = [4] }
[data]
train = "train.npz"
test  = "test.npz"
[data.preprocess]
scale = 2
[task]
kind = "KIND"
[budget]
latency_ms = 3
[recipe.distill]
validation_fraction = 0.25
"""


def network(*, tokens: bool = False) -> nn.Module:
    layers = [nn.Embedding(10, 4), nn.Flatten(), nn.Linear(16, 2)]
    return nn.Sequential(*layers) if tokens else nn.Linear(4, 2)


def write(folder: Path, kind: str) -> project.Project:
    draw = np.random.default_rng(0)
    for name, count in (("train", 80), ("test", 20)):
        y = (
            np.arange(count) % 2
            if kind == "classification"
            else draw.normal(size=(count, 2))
        )
        x = draw.normal(size=(count, 4)).astype("f4")
        np.savez(
            folder / f"{name}.npz",
            x=x,
            y=y if kind == "classification" else y.astype("f4"),
        )
    (folder / "edgekit.toml").write_text(TOML.replace("KIND", kind))
    return project.load(folder)


def test_validation_and_calibration_samples_come_from_the_training_data(
    tmp_path: Path,
) -> None:
    program = trace(network(), (InputSpec(shape=(4,)),))
    one = write(tmp_path, "classification")
    found = read_samples(one, program, {}, Silent())
    assert (len(found.train), len(found.validation), len(found.test)) == (60, 20, 20)
    with np.load(tmp_path / "train.npz") as file:
        raw = file["x"]
    taken = np.concatenate(
        [
            each.arrays(np.arange(len(each)))[0]
            for each in (found.train, found.validation)
        ]
    )
    np.testing.assert_allclose(np.sort(taken, 0), np.sort(raw / 2, 0), rtol=1e-6)
    train, _ = found.train.arrays(np.arange(len(found.train)))
    (drawn,) = found.calibration
    assert drawn.shape[1:] == (4,)
    assert all((sample == train).all(1).any() for sample in drawn)
    assert found.calibration_facts["drawn"] == len(drawn)


def test_a_task_without_classes_has_no_labels(tmp_path: Path) -> None:
    program = trace(network(), (InputSpec(shape=(4,)),))
    found = read_samples(write(tmp_path, "regression"), program, {}, Silent())
    assert found.labels == ()


def test_a_network_of_tokens_takes_their_dtype() -> None:
    spec = InputSpec(shape=(4,))
    tokens = trace(network(tokens=True), (spec,), (torch.int64,))
    assert tokens.specs[0].dtype == "int64"
    floats = trace(network(), (InputSpec(shape=(4,)),))
    assert floats.dtypes == (torch.float32,)
    assert floats.specs[0].dtype is None
