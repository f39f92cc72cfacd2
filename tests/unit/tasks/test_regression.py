"""Values of a sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit import tasks
from edgekit.errors import DataError
from tests.unit.tasks.sets import arrays, load, measured


def test_values_may_be_unknown(tmp_path: Path) -> None:
    y = np.array([[1.5, np.nan], [np.nan, np.nan]])
    arrays(tmp_path, x=np.zeros((2, 4)), y=y)
    found = load(tmp_path, "set.npz", "regression", (4,))
    assert found.targets.dtype == np.float32
    assert found.labeled and not found.classed and found.labels == ()
    assert not found.subset(np.array([1])).labeled
    arrays(tmp_path, x=np.zeros((2, 4)), y=np.array(["warm", "cold"]))
    with pytest.raises(DataError, match="Give numbers, NaN where unknown"):
        load(tmp_path, "set.npz", "regression", (4,))


def test_a_lower_error_is_better() -> None:
    values = measured(
        "regression", np.array([[1.0], [2.0]], np.float32), np.array([3.0, np.nan])
    )
    assert (values.value, values.higher_is_better) == (2.0, False)


def test_agreement_without_labels_is_an_error() -> None:
    logits = np.array([[1, 0], [0, 1]], np.float32)
    apart = tasks.of("regression").agree(logits, logits + 2)
    assert (apart.value, apart.higher_is_better) == (2.0, False)


def test_metrics_by_name() -> None:
    values = np.random.default_rng(0).normal(size=(40, 1)).astype(np.float32)
    apart = tasks.of("regression").metrics["mean-squared-error"](values, values + 2)
    assert apart.value == pytest.approx(4)
    assert not apart.higher_is_better and not apart.is_fraction
    assert tasks.of("regression").metrics["r2"](values, values).value == pytest.approx(
        1
    )
