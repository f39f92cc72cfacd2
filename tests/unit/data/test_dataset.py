from __future__ import annotations

import numpy as np
import pytest

from edgekit.data import Dataset
from edgekit.data.samples import InMemory
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


def test_items_count_like_a_sequence() -> None:
    whole = dataset([0, 1, 2])
    assert whole[-1][1] == 2
    assert [int(x) for x, _ in whole] == [0, 1, 2]
    with pytest.raises(IndexError):
        whole[3]
