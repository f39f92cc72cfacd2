"""Batches of a data set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.data import Dataset, load, memory, read_ahead
from edgekit.errors import DataError
from edgekit.program.program import Program
from edgekit.types import DistillRecipe, Preprocess
from tests.unit.data.test_read_ahead import workers
from tests.unit.distill.test_train import (
    INPUT,
    RECIPE,
    VALIDATION,
    distilled,
    network,
)


def test_streamed_samples_teach_the_same(
    teacher: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    student = network(4, 1)
    held = distilled(teacher, student)
    monkeypatch.setattr(memory, "MEMORY", 0)
    assert (
        distilled(teacher, student).program.fingerprint() == held.program.fingerprint()
    )


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gray pictures of four classes."""
    root = tmp_path_factory.mktemp("images")
    noise = np.random.default_rng(0).integers(0, 256, (70, 6, 6), np.uint8)
    for number, pixels in enumerate(noise):
        place = root / "set" / "abcd"[number % 4]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"{number}.png")
    return root


def read(root: Path) -> Dataset:
    return load("set", root=root, input=INPUT, preprocess=Preprocess(scale=255))


PLAIN = replace(RECIPE, epochs=2, batch_size=32)
MIXED = replace(PLAIN, augment="shift-flip", mixup=0.3, accumulate=2)
KEPT = replace(PLAIN, augment="shift", views=2)


@pytest.mark.parametrize("recipe", [PLAIN, MIXED, KEPT], ids=["plain", "mixed", "kept"])
def test_images_that_workers_read_teach_the_same(
    teacher: Program,
    images: Path,
    recipe: DistillRecipe,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    student = network(4, 1)
    held = distilled(teacher, student, train=read(images), recipe=recipe)
    assert not workers()
    monkeypatch.setattr(memory, "MEMORY", 0)
    started = []
    by_workers = read_ahead._by_workers

    def counted(*arguments: object) -> object:
        started.append(arguments)
        return by_workers(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(read_ahead, "_by_workers", counted)
    found = distilled(teacher, student, train=read(images), recipe=recipe)
    assert len(started) >= recipe.epochs and not workers()
    assert found.program.fingerprint() == held.program.fingerprint()
    assert [e.loss for e in found.epochs] == [e.loss for e in held.epochs]


def test_a_broken_image_in_training_ends_the_workers(
    teacher: Program, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "MEMORY", 0)
    train = read(images)
    whole = (images / "set/d/67.png").read_bytes()
    (images / "set/d/67.png").write_bytes(whole[:-30])
    try:
        with pytest.raises(DataError, match=r"d/67\.png"):
            distilled(teacher, network(4, 1), train=train, validation=VALIDATION)
    finally:
        (images / "set/d/67.png").write_bytes(whole)
    assert not workers()
