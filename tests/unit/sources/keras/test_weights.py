"""Stored weights belong to the same layers in both forms of a file."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from edgekit.sources.keras import reader
from tests.unit.sources.keras.files import (
    DATA,
    INPUT,
    listed,
    numbers,
    refused,
    sequential,
)

BOTH = sorted(path.stem for path in DATA.glob("*.h5"))


@pytest.mark.parametrize("name", BOTH)
def test_an_archive_and_a_list_hold_the_same(name: str) -> None:
    archived, by_layer = (
        reader.read(DATA / f"{name}{suffix}").weights for suffix in (".keras", ".h5")
    )
    assert {path for path, arrays in archived.items() if arrays}
    for path, arrays in archived.items():
        assert len(arrays) == len(by_layer[path])
        for one, other in zip(arrays, by_layer[path], strict=True):
            assert np.array_equal(one, other)


def test_a_weight_that_is_listed_and_not_there_is_named(tmp_path: Path) -> None:
    dense = {"class_name": "Dense", "config": {"name": "d", "units": 2}}
    arrays = [("d/kernel:0", numbers(4, 2)), ("d/bias:0", numbers(2))]
    path = listed(
        tmp_path / "net.h5", sequential(INPUT, dense), {"x": [], "d": arrays}, "2.4.0"
    )
    with h5py.File(path, "a") as file:
        del file["model_weights/d/d/bias:0"]
    refused(path, "lists the weight 'd/bias:0' and does not hold it")
