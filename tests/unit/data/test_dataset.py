from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.data import Dataset, split
from edgekit.data.samples import InMemory
from edgekit.errors import DataError
from edgekit.types import Preprocess


def dataset(targets: list[int]) -> Dataset:
    values = np.arange(len(targets), dtype=np.float32).reshape(-1, 1, 1, 1)
    return Dataset(
        InMemory(values=values),
        np.array(targets, np.int64),
        labels=("a", "b", "c"),
        preprocess=Preprocess(scale=1),
    )


def numbers(part: Dataset) -> list[int]:
    return part.arrays()[0].ravel().astype(int).tolist()


@given(
    st.lists(st.integers(-1, 2), min_size=40, max_size=90),
    st.floats(0.1, 0.5),
    st.integers(0, 9),
)
def test_split_is_stratified_and_loses_nothing(
    targets: list[int], fraction: float, seed: int
) -> None:
    whole = dataset(targets)
    train, validation = split(whole, fraction, seed)
    assert sorted(numbers(train) + numbers(validation)) == list(range(len(targets)))
    for target in set(targets):
        members = targets.count(target)
        held = validation.targets.tolist().count(target)
        assert held == min(round(fraction * members), members - 1)
    assert numbers(split(whole, fraction, seed)[1]) == numbers(validation)


def test_split_of_a_subset_stays_inside_it() -> None:
    part = dataset([0, 1] * 20).subset(np.arange(10, 30))
    train, validation = split(part, 0.2, 0)
    assert sorted(numbers(train) + numbers(validation)) == list(range(10, 30))
    assert split(part, 0.2, 1)[1].fingerprint() != validation.fingerprint()


def test_split_without_a_validation_sample() -> None:
    with pytest.raises(DataError, match="validation_fraction"):
        split(dataset([0, 1, 2]), 0.1, 0)


def test_items_count_like_a_sequence() -> None:
    whole = dataset([0, 1, 2])
    assert whole[-1][1] == 2
    assert [int(x) for x, _ in whole] == [0, 1, 2]
    with pytest.raises(IndexError):
        whole[3]
