"""Targets of every kind of task, from the files that hold them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit import data
from edgekit.errors import DataError
from edgekit.types import Preprocess
from tests.unit.tasks.sets import RAW, arrays, load, picture


@pytest.fixture
def masked(tmp_path: Path) -> Path:
    gray = np.full((4, 6), 90, np.uint8)
    for name, mask in (("a", np.eye(4, 6)), ("b", np.full((4, 6), 255))):
        picture(tmp_path / f"set/images/{name}.jpg", gray)
        picture(tmp_path / f"set/masks/{name}.png", mask.astype(np.uint8))
    return tmp_path


def test_a_mask_belongs_to_the_image_of_its_name(masked: Path) -> None:
    found = load(masked, "set", "segmentation", (1, 4, 6), labels=("no", "yes"))
    x, y = found.arrays()
    assert x.shape == (2, 1, 4, 6)
    assert y.dtype == np.int64
    assert y[0].tolist() == np.eye(4, 6).tolist()
    assert (y[1] == -1).all(), "255 is not known"
    assert found.labeled and not found.classed
    assert found.labels == ("no", "yes")


def test_a_mask_is_stretched_without_new_classes(masked: Path) -> None:
    wide = np.zeros((8, 12), np.uint8)
    wide[:, 6:] = 7
    picture(masked / "set/masks/b.png", wide)
    _, y = load(masked, "set", "segmentation", (1, 4, 6)).arrays()
    assert y[1, :, :3].tolist() == [[0] * 3] * 4
    assert y[1, :, 3:].tolist() == [[7] * 3] * 4


def test_images_alone_are_unlabeled(masked: Path) -> None:
    (masked / "set/masks/a.png").unlink()
    with pytest.raises(DataError, match=r"a.jpg has no mask .*a.png"):
        load(masked, "set", "segmentation", (1, 4, 6))
    (masked / "set/masks").rename(masked / "elsewhere")
    assert not load(masked, "set", "segmentation", (1, 4, 6)).labeled


@pytest.mark.parametrize(
    ("values", "mode", "words"),
    [
        (np.zeros((4, 6, 3), np.uint8), None, "has colors"),
        (np.eye(4, 6, dtype=np.uint8) * 255, None, "the class 0 alone: 255 counts as"),
        (np.full((4, 6), 9, np.uint8), None, "class 9, but the classes are 0 to 1"),
    ],
)
def test_masks_that_are_no_classes(
    masked: Path, values: np.ndarray, mode: str | None, words: str
) -> None:
    for name in ("a", "b"):
        picture(masked / f"set/masks/{name}.png", values, mode)
    with pytest.raises(DataError, match=words):
        load(masked, "set", "segmentation", (1, 4, 6), labels=("no", "yes"))


def test_class_folders_are_no_masks(tmp_path: Path) -> None:
    picture(tmp_path / "set/red/a.png", np.zeros((4, 6), np.uint8))
    with pytest.raises(DataError, match="takes the folders images and masks"):
        load(tmp_path, "set", "segmentation", (1, 4, 6))
    with pytest.raises(DataError, match=r"takes targets from \.npz"):
        load(tmp_path, "set", "regression", (1, 4, 6))


def test_masks_beside_inputs_in_an_archive(tmp_path: Path) -> None:
    masks = np.array([[[0, 1], [2, 255]]] * 3, np.uint8)
    arrays(tmp_path, x=np.zeros((3, 2, 2, 1), np.uint8), masks=masks)
    found = load(tmp_path, "set.npz", "segmentation", (1, 2, 2))
    assert found.targets[0].tolist() == [[0, 1], [2, -1]]
    part = found.subset(np.array([2, 0]))
    assert part.arrays()[1].shape == (2, 2, 2)
    train, validation = data.split(found, 0.34, 0)
    assert (len(train), len(validation)) == (2, 1)


def test_tokens_reach_the_network_as_they_are(tmp_path: Path) -> None:
    tokens = np.arange(12).reshape(3, 4)
    arrays(tmp_path, x=tokens, y=np.array([0, 1, 1]))
    found = load(
        tmp_path,
        "set.npz",
        "classification",
        (4,),
        dtype="int64",
        preprocess=Preprocess(),
    )
    x, y = found.arrays()
    assert x.dtype == np.int64 and x.tolist() == tokens.tolist()
    assert y.tolist() == [0, 1, 1]
    assert found.columns[0].contract == Preprocess(scale=1.0)
    with pytest.raises(DataError, match=r"the network takes tokens\. Leave it out"):
        load(
            tmp_path, "set.npz", "classification", (4,), dtype="int64",
            preprocess=Preprocess(mean=(0.5,)),
        )  # fmt: skip
    arrays(tmp_path, x=tokens - 5)
    with pytest.raises(DataError, match=r"takes tokens\. Store their numbers, from 0"):
        load(tmp_path, "set.npz", "classification", (4,), dtype="int64")


def test_a_loader_gives_targets_of_any_shape(tmp_path: Path) -> None:
    (tmp_path / "loader.py").write_text(
        "import numpy as np\n"
        "def pairs():\n    return [(np.zeros(4), np.full((2, 3), n)) for n in range(5)]\n"
        "def uneven():\n    return [(np.zeros(4), np.zeros(n + 1)) for n in range(5)]\n"
    )
    found = load(tmp_path, "loader.py:pairs", "regression", (4,))
    assert found.targets.shape == (5, 2, 3)
    with pytest.raises(DataError, match="targets of different shapes"):
        load(tmp_path, "loader.py:uneven", "regression", (4,))


def test_other_targets_for_the_same_samples() -> None:
    from edgekit.data.samples import InMemory

    whole = data.Dataset(
        InMemory(values=np.arange(4.0)[:, None]),
        np.full(4, -1),
        labels=(),
        preprocess=RAW,
    )
    part = whole.subset(np.array([3, 1]))
    lines = part.answered(np.array([[0.5], [0.25]], np.float32))
    assert lines.targets.tolist() == [[0.5], [0.25]]
    assert lines.arrays()[0].tolist() == [[3.0], [1.0]]
    assert lines.fingerprint() != part.fingerprint()
