"""Data of any origin give the same samples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

import edgekit as ek
from edgekit.errors import DataError
from edgekit.types import InputSpec, Preprocess
from tests import texts

X = torch.arange(7 * 12, dtype=torch.float32).reshape(7, 3, 2, 2) / 100
Y = torch.tensor([0, 1, 2, 0, 1, 2, -1])
TAKEN = InputSpec(shape=(3, 2, 2))
PAIRS = TensorDataset(X, Y)


def batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    for start in range(0, 7, 3):
        yield X[start : start + 3], Y[start : start + 3]


def test_what_gives_its_batches_once_is_read_once() -> None:
    data = ek.Data(train=batches())
    for _ in range(2):
        assert len(data.part("train", TAKEN)) == 7


def test_targets_of_other_tasks() -> None:
    values = ek.Data(train=(X, Y.float()[:, None]), task="regression")
    assert values.part("train", TAKEN).targets.shape == (7, 1)
    pixels = ek.Data(train=(X, torch.zeros(7, 2, 2).long()), task="segmentation")
    assert pixels.part("train", TAKEN).targets.shape == (7, 2, 2)
    tokens = InputSpec(shape=(4,), dtype="int64")
    words = ek.Data(train=torch.ones(7, 4).long(), task="language-modeling")
    assert words.part("train", tokens).arrays()[0].dtype == np.int64


def test_paths_are_read_as_a_project_has_them(tmp_path: Path) -> None:
    place = tmp_path / "x.npz"
    np.savez(place, x=(X * 255).numpy(), y=Y.numpy())
    part = ek.Data(train=str(place)).part("train", TAKEN)
    np.testing.assert_allclose(part.arrays()[0], X, rtol=1e-6)
    with pytest.raises(DataError, match="preprocess"):
        ek.Data(train=place, test=PAIRS)
    mixed = ek.Data(train=place, test=PAIRS, preprocess=Preprocess(scale=255))
    np.testing.assert_allclose(mixed.part("test", TAKEN).arrays()[0], X / 255)


def test_validation_is_split_off_where_it_is_not_given() -> None:
    train, validation = ek.Data(train=PAIRS).training(TAKEN, 0.4, seed=0)
    assert len(train) + len(validation) == 7
    own = ek.Data(train=PAIRS, validation=(X[:2], Y[:2]))
    assert [len(part) for part in own.training(TAKEN, 0.4, seed=0)] == [7, 2]


def test_calibration_is_never_drawn_from_the_test() -> None:
    drawn = ek.Data(train=PAIRS, test=(X + 9, Y)).calibrated(TAKEN)
    assert drawn.samples.max() <= X.max()
    assert len(ek.Data(train=PAIRS, calibration=X[:2]).calibrated(TAKEN).samples) == 2
    with pytest.raises(DataError, match=r"Data\(calibration=\.\.\.\)"):
        ek.Data(test=PAIRS).calibrated(TAKEN)


def test_parts_that_are_missing() -> None:
    with pytest.raises(DataError, match="no samples"):
        ek.Data()
    with pytest.raises(DataError, match=r"no test samples. Give Data\(test=\.\.\.\)"):
        ek.Data(train=PAIRS).part("test", TAKEN)
    assert repr(ek.Data(train=PAIRS)) == (
        "Data(train=TensorDataset, task='classification')"
    )


def test_texts_are_read_by_a_tokenizer_of_ones_own(tmp_path: Path) -> None:
    folder = texts.write(tmp_path / "folder")
    taken = [
        InputSpec(name=name, shape=(texts.LENGTH,), dtype="int64")
        for name in texts.NAMES
    ]
    own = ek.Data(train=(["good film", "bad"], [1, 0]), tokenizer=folder)
    assert own.part("train", taken).feeds()[0][0].tolist() == [
        texts.numbers("good", "film"), texts.numbers("bad"),
    ]  # fmt: skip
    assert own.spec.text.tokenizer == str(folder)
    with pytest.raises(DataError, match="Data\\(tokenizer='FOLDER'\\)"):
        ek.Data(train=(["good film"], [1])).part("train", taken)
