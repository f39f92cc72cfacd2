from __future__ import annotations

import tomllib

import numpy as np
import pytest

from edgekit import data, sources
from edgekit.config.resources import shipped
from edgekit.evaluate.accuracy import evaluate
from edgekit.types import InputSpec, ModelSpec, Preprocess

ROOT = shipped("examples/digits")
PROJECT = tomllib.loads((ROOT / "edgekit.toml").read_text())
INPUT = InputSpec(shape=tuple(PROJECT["model"]["input"]["shape"]))


def dataset(name: str) -> data.Dataset:
    spec = PROJECT["data"]["preprocess"]
    preprocess = Preprocess(
        scale=spec["scale"], mean=tuple(spec["mean"]), std=tuple(spec["std"])
    )
    return data.load(
        PROJECT["data"][name], root=ROOT, input=INPUT, preprocess=preprocess
    )


def test_teacher_has_the_held_out_digits() -> None:
    model = ModelSpec(
        source=PROJECT["model"]["source"],
        weights=PROJECT["model"]["weights"],
        input=INPUT,
    )
    teacher = sources.load(model, root=ROOT)
    found = evaluate(teacher, dataset("test"))
    assert found.samples == 360
    assert found.value >= 0.99


def test_held_out_digits_are_not_trained_on() -> None:
    train, test = dataset("train"), dataset("test")
    assert len(train) == 1437
    trained = {x.tobytes() for x in train.arrays()[0]}
    assert not [x for x in test.arrays()[0] if x.tobytes() in trained]
    fractions = [np.bincount(part.targets) / len(part) for part in (train, test)]
    assert fractions[0] == pytest.approx(fractions[1], abs=0.005)


def test_weights_stay_small() -> None:
    assert (ROOT / PROJECT["model"]["weights"]).stat().st_size < 2e6
