"""Samples of a data set in the form of the network's input."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.data.request import Request, RequestedInput
from edgekit.errors import DataError
from edgekit.types import InputSpec, Preprocess
from edgekit.types.data_notes import SamplesTransposed


def asked(*shape: int, dtype: str | None = None) -> RequestedInput:
    given = InputSpec(shape=shape, dtype=dtype)  # type: ignore[arg-type]
    return RequestedInput(spec=given, preprocess=Preprocess(scale=1))


def test_channels_last_are_turned_and_noted() -> None:
    values = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    found, [note] = asked(3, 4, 5).arrange(values, "data.npz")
    assert found.shape == (2, 3, 4, 5)
    assert found[1, 2, 3, 4] == values[1, 3, 4, 2]
    assert note == SamplesTransposed(origin="data.npz", shape=(4, 5, 3))


@pytest.mark.parametrize("shape", [(4, 5), (20,)])
def test_one_channel_may_be_left_out(shape: tuple[int, ...]) -> None:
    values = np.arange(40, dtype=np.float32).reshape(2, *shape)
    found, notes = asked(1, 4, 5).arrange(values, "data.npz")
    assert found.shape == (2, 1, 4, 5) and not notes
    assert found[1, 0, 3, 4] == 39


@pytest.mark.parametrize(
    ("values", "dtype", "words"),
    [
        (np.zeros((2, 7), np.float32), None, r"shape \[7\], but .* \[6\]"),
        (np.full((2, 6), np.nan, np.float32), None, "NaN .* in samples 0 and 1"),
        (np.array([["a"] * 6]), None, "not numbers"),
        (np.zeros((2, 6), np.float32), "int64", "takes tokens"),
        (np.full((2, 6), -1), "int64", "takes tokens"),
    ],
)
def test_what_no_network_takes_is_refused_by_its_origin(
    values: np.ndarray, dtype: str | None, words: str
) -> None:
    with pytest.raises(DataError, match=f"data.npz .*{words}"):
        asked(6, dtype=dtype).arrange(values, "data.npz")


def test_samples_without_targets_are_unlabeled() -> None:
    from edgekit.data.samples import InMemory

    whole = Request(inputs=(asked(3),), labels=None)
    samples = InMemory(values=np.zeros((4, 3), np.float32))
    made = whole.labeled([samples], None, "data.npz")
    assert len(made) == 4 and not made.labeled
    assert asked(3, dtype="int64").dtype == np.int64
