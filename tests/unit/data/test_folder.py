"""Folders of images as data sets."""

from __future__ import annotations

from pathlib import Path

from edgekit.types import InputSpec
from tests.unit.data.test_load import BLUE, RED, failure, load, picture


def test_class_folders_become_labels_in_order(folder: Path) -> None:
    dataset = load("set", folder)
    assert dataset.labels == ("blue", "red")
    assert dataset.targets.tolist() == [0, 1, 1]
    x, y = dataset[1]
    assert x.shape == (3, 4, 6)
    assert x[:, 0, 0].tolist() == list(RED)
    assert y == 1
    inputs, targets = dataset.arrays()
    assert inputs.shape == (3, 3, 4, 6)
    assert inputs[0, :, 2, 2].tolist() == list(BLUE)
    assert targets.tolist() == [0, 1, 1]


def test_folder_mistakes(folder: Path) -> None:
    assert "Did you mean 'set'?" in failure("sets", folder)
    (folder / "empty").mkdir()
    assert "No images in" in failure("empty", folder)
    (folder / "set" / "green").mkdir()
    assert "green has no images" in failure("set", folder)
    (folder / "set" / "green" / "bad.png").write_bytes(b"not a picture")
    assert "green/bad.png" in failure("set", folder)
    picture(folder / "set" / "loose.png", RED)
    assert "loose.png" in failure("set", folder)
    assert "1 or 3 channels" in failure("set", folder, input=InputSpec(shape=(4, 2, 2)))


def test_classes_must_be_those_of_the_training_data(folder: Path) -> None:
    message = failure("set", folder, labels=("blue", "pink"))
    assert "adds red" in message
    assert "lacks pink" in message
    assert load("set", folder, labels=("red", "blue")).targets.tolist() == [1, 0, 0]
