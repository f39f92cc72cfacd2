"""Data of any origin give the same samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import edgekit as ek
from edgekit.errors import DataError
from edgekit.types import InputSpec, Preprocess

X = torch.arange(7 * 12, dtype=torch.float32).reshape(7, 3, 2, 2) / 100
Y = torch.tensor([0, 1, 2, 0, 1, 2, -1])
TAKEN = InputSpec(shape=(3, 2, 2))
PAIRS = TensorDataset(X, Y)


def batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    for start in range(0, 7, 3):
        yield X[start : start + 3], Y[start : start + 3]


class Stream(IterableDataset):
    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        return iter(PAIRS)


LABELED: dict[str, Callable[[], Any]] = {
    "arrays": lambda: (X.numpy(), Y.numpy()),
    "tensors": lambda: (X, Y),
    "tensors with gradients": lambda: (X.clone().requires_grad_(), Y),
    "a data set": lambda: PAIRS,
    "a list of samples": lambda: list(PAIRS),
    "a list of batches": lambda: list(batches()),
    "a tuple of batches": lambda: tuple(batches()),
    "a list of lists": lambda: [[x, y] for x, y in batches()],
    "a generator of batches": batches,
    "a loader": lambda: DataLoader(PAIRS, batch_size=3),
    "a loader of a stream": lambda: DataLoader(Stream(), batch_size=3),
    "a loader of workers": lambda: DataLoader(PAIRS, batch_size=3, num_workers=1),
}
UNLABELED: dict[str, Callable[[], Any]] = {
    "an array": lambda: X.numpy(),
    "a tensor": lambda: X,
    "a list of samples": lambda: list(X),
    "a list of batches": lambda: list(X.split(3)),
    "a loader": lambda: DataLoader(TensorDataset(X), batch_size=3),
}


@pytest.mark.parametrize("kind", LABELED)
def test_every_origin_gives_the_same_samples(kind: str) -> None:
    part = ek.Data(train=LABELED[kind]()).part("train", TAKEN)
    inputs, targets = part.arrays()
    assert inputs.dtype == np.float32
    np.testing.assert_array_equal(inputs, X)
    np.testing.assert_array_equal(targets, Y)


@pytest.mark.parametrize("kind", UNLABELED)
def test_samples_without_labels(kind: str) -> None:
    part = ek.Data(train=UNLABELED[kind]()).part("train", TAKEN)
    np.testing.assert_array_equal(part.arrays()[0], X)
    assert not part.labeled


def test_what_gives_its_batches_once_is_read_once() -> None:
    data = ek.Data(train=batches())
    for _ in range(2):
        assert len(data.part("train", TAKEN)) == 7


def test_a_data_set_too_large_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgekit.data.sequence.MEMORY", 100)
    inputs, targets = ek.Data(train=PAIRS).part("train", TAKEN).arrays()
    np.testing.assert_array_equal(inputs, X)
    np.testing.assert_array_equal(targets, Y)
    with pytest.raises(DataError, match="Give the Dataset itself"):
        ek.Data(train=DataLoader(PAIRS, batch_size=3)).part("train", TAKEN)


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


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ((X[:, :2], Y), "samples of shape [2, 2, 2]"),
        ([(X[:3, :, :1], Y[:3])], "samples of shape [3, 1, 2]"),
        (DataLoader(TensorDataset(X[0], Y[:3]), batch_size=3), "batch 0 has inputs"),
        ([(X[:3], Y[:2])], "batch 0 has 3 inputs and targets of shape [2]"),
        ([(X[:3], Y[:3]), (X[3:], None)], "with labels and without"),
        ([(X[:3], Y[:3]), (X[3:, :, :1], Y[3:])], "different shapes"),
        ([{"image": X[0], "label": 1}], "dictionaries (image, label)"),
        ((X, Y[:5]), "7 samples but 5 labels"),
        ([], "no samples"),
        (iter(()), "no samples"),
        (7, "type int"),
        ((X, Y.float() + 0.5), "not class numbers"),
        ((X * torch.nan, Y), "NaN"),
    ],
)
def test_what_does_not_fit_is_refused(held: object, message: str) -> None:
    with pytest.raises(DataError) as refused:
        ek.Data(train=held).part("train", TAKEN)
    assert message in str(refused.value)
    assert "Data(train=...)" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_parts_that_are_missing() -> None:
    with pytest.raises(DataError, match="no samples"):
        ek.Data()
    with pytest.raises(DataError, match=r"no test samples. Give Data\(test=\.\.\.\)"):
        ek.Data(train=PAIRS).part("test", TAKEN)
    assert repr(ek.Data(train=PAIRS)) == (
        "Data(train=TensorDataset, task='classification')"
    )
