from __future__ import annotations

import numpy as np
import pytest

from edgekit.data import preprocess
from edgekit.data.preprocess import check
from edgekit.errors import DataError
from edgekit.types import Preprocess


def test_each_channel_has_its_mean_and_deviation() -> None:
    raw = np.full((2, 3, 4, 4), 51, np.uint8)
    spec = Preprocess(scale=255, mean=(0.0, 0.1, 0.2), std=(1.0, 0.5, 0.25))
    result = preprocess(raw, spec)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result[0, :, 0, 0], [0.2, 0.2, 0.0], atol=1e-6)


def test_raw_values_stay_as_they_were() -> None:
    raw = np.ones((1, 1, 2), np.float32)
    preprocess(raw, Preprocess(scale=2))
    assert (raw == 1).all()


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (Preprocess(mean=(0.5, 0.5)), "mean has 2 values for an input of 3 channels"),
        (Preprocess(std=(1.0,) * 4), "std has 4 values"),
        (Preprocess(color="gray"), "color = 'gray' means 1 channel"),
    ],
)
def test_spec_that_does_not_fit_the_input(spec: Preprocess, words: str) -> None:
    with pytest.raises(DataError, match=words):
        check(spec, (3, 8, 8))
