"""Samples that someone holds in memory, in every form that they have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from edgekit.data import Dataset
from edgekit.data.request import Request, requested_input
from edgekit.data.sequence import Origin, read
from edgekit.errors import DataError
from edgekit.types import InputSpec, Preprocess

X = torch.arange(7 * 12, dtype=torch.float32).reshape(7, 3, 2, 2) / 100
Y = torch.tensor([0, 1, 2, 0, 1, 2, -1])
PAIRS = TensorDataset(X, Y)
REQUEST = Request.of_one(InputSpec(shape=(3, 2, 2)), Preprocess(scale=1.0))


def held(samples: Any) -> Dataset:
    return read(samples, REQUEST, Origin(name="Data(train=...)"))


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
    part = held(LABELED[kind]())
    inputs, targets = part.arrays()
    assert inputs.dtype == np.float32
    np.testing.assert_array_equal(inputs, X)
    np.testing.assert_array_equal(targets, Y)


@pytest.mark.parametrize("kind", UNLABELED)
def test_samples_without_labels(kind: str) -> None:
    part = held(UNLABELED[kind]())
    np.testing.assert_array_equal(part.arrays()[0], X)
    assert not part.labeled


def test_a_data_set_too_large_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgekit.data.memory.MEMORY", 100)
    inputs, targets = held(PAIRS).arrays()
    np.testing.assert_array_equal(inputs, X)
    np.testing.assert_array_equal(targets, Y)
    with pytest.raises(DataError, match="Give the Dataset itself"):
        held(DataLoader(PAIRS, batch_size=3))


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ((X[:, :2], Y), "samples of shape [2, 2, 2]"),
        ([(X[:3, :, :1], Y[:3])], "samples of shape [3, 1, 2]"),
        (DataLoader(TensorDataset(X[0], Y[:3]), batch_size=3), "batch 0 has inputs"),
        ([(X[:3], Y[:2])], "batch 0 has 3 inputs and targets of shape [2]"),
        ([(X[:3], Y[:3]), (X[3:], None)], "with labels and without"),
        ([(X[:3], Y[:3]), (X[3:, :, :1], Y[3:])], "different shapes"),
        ([{"picture": X[0], "label": 1}], "has picture, label, and no 'input'"),
        ((X, Y[:5]), "7 samples but 5 labels"),
        ([], "no samples"),
        (iter(()), "no samples"),
        (7, "type int"),
        ((X, Y.float() + 0.5), "not class numbers"),
        ((X * torch.nan, Y), "NaN"),
    ],
)
def test_what_does_not_fit_is_refused(samples: object, message: str) -> None:
    with pytest.raises(DataError) as refused:
        held(samples)
    assert message in str(refused.value)
    assert "Data(train=...)" in str(refused.value)
    assert "\n" not in str(refused.value)


TWO = Request(
    inputs=tuple(
        requested_input(spec, 2, how, how)
        for spec, how in (
            (InputSpec(name="image", shape=(3, 2, 2)), Preprocess(scale=10)),
            (InputSpec(name="words", shape=(2,), dtype="int64"), Preprocess(scale=1)),
        )
    ),
    labels=None,
)
WORDS = torch.arange(14).reshape(7, 2)
NAMED = {"words": WORDS, "image": X}


@pytest.mark.parametrize(
    "samples",
    [
        (NAMED, Y),
        {**NAMED, "labels": Y},
        ((X, WORDS), Y),
        [((X[n], WORDS[n]), Y[n]) for n in range(7)],
        [{"image": X[n], "words": WORDS[n], "label": Y[n]} for n in range(7)],
        DataLoader(
            [({"image": X[n], "words": WORDS[n]}, Y[n]) for n in range(7)], batch_size=3
        ),
        DataLoader(
            TensorDataset(X, WORDS, Y),
            batch_size=3,
            collate_fn=lambda rows: (
                (torch.stack([r[0] for r in rows]), torch.stack([r[1] for r in rows])),
                torch.stack([r[2] for r in rows]),
            ),
        ),
    ],
    ids=["named", "labels-inside", "tuple", "samples", "dicts", "loader", "collated"],
)
def test_samples_of_several_inputs_are_read_by_name_or_in_order(samples: Any) -> None:
    found = read(samples, TWO, Origin(name="Data(train=...)"))
    (image, words), targets = found.feeds()
    np.testing.assert_allclose(image, X / 10, rtol=1e-6)
    np.testing.assert_array_equal(words, WORDS)
    assert words.dtype == np.int64 and targets.tolist() == Y.tolist()
    first, label = found[2]
    assert list(first) == ["image", "words"] and label == 2
    np.testing.assert_array_equal(first["words"], WORDS[2])


def test_several_inputs_too_large_for_memory_are_read_on_demand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edgekit.data.memory.MEMORY", 100)
    rows = [({"image": X[n], "words": WORDS[n]}, Y[n]) for n in range(7)]
    (image, words), _ = read(rows, TWO, Origin(name="it")).feeds(np.array([5, 1]))
    np.testing.assert_allclose(image, X[[5, 1]] / 10, rtol=1e-6)
    np.testing.assert_array_equal(words, WORDS[[5, 1]])


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (({"image": X}, Y), "has image, and no 'words'. Name the inputs image, words"),
        (({"picture": X, "words": WORDS}, Y), "and no 'image'"),
        ((X, Y), "samples of one part, and the network takes image, words"),
        (((X, WORDS, WORDS), Y), "samples of 3 parts"),
        ((NAMED | {"words": WORDS[:5]}, Y), "5 samples of one input and 7 of another"),
        ((NAMED | {"words": WORDS / 2}, Y), "'words' holds values of type float32"),
        ((NAMED | {"words": WORDS[:, :1]}, Y), "but the input 'words' is [2]"),
    ],
)
def test_inputs_that_are_missing_or_wrong_are_refused(
    samples: object, message: str
) -> None:
    with pytest.raises(DataError) as refused:
        read(samples, TWO, Origin(name="Data(train=...)"))
    assert message in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("as_mapping", [True, False])
def test_boxes_of_a_loader_may_be_of_any_number(as_mapping: bool) -> None:
    rows = [np.array([[0, 0, 1, 1, 2], [1, 0, 2, 1, 0]]), np.empty((0, 5))]
    targets = [
        {"boxes": torch.from_numpy(one[:, :4]), "labels": torch.from_numpy(one[:, 4])}
        if as_mapping
        else torch.from_numpy(one)
        for one in rows
    ]
    request = replace(REQUEST, kind="detection")
    found = read(list(zip(X[:2], targets, strict=True)), request, Origin(name="Data"))
    assert found.boxed and found.labeled
    np.testing.assert_array_equal(found.targets[0], rows[0])
    assert found.targets[1, :, 4].tolist() == [-1, -1]
