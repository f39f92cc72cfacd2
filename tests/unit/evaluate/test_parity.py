"""One norm and one table of tolerances decide whether a file is its network."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest

from edgekit.evaluate.parity import (
    TOLERANCES,
    compare,
    elements_off,
    relative_error,
    rms_error,
)
from edgekit.types import Precision

GOOD = np.eye(8, dtype=np.float32)


def test_every_precision_has_its_tolerance() -> None:
    assert set(TOLERANCES) == set(get_args(Precision))


def test_one_wrong_element_is_a_fault_on_however_many_samples() -> None:
    """A mean would let it pass where there are enough samples."""
    expected = np.tile(GOOD, (1000, 1))
    outputs = expected.copy()
    outputs[17, 3] += 0.01
    assert relative_error(outputs, expected) == pytest.approx(0.01)
    assert rms_error(outputs, expected) < 1e-3
    assert compare(expected, outputs, "fp32", "classification").fault is not None
    assert compare(expected, outputs, "fp16", "classification").fault is None


def test_what_is_infinite_in_both_is_equal_and_in_one_is_not() -> None:
    """Masked scores are minus infinity, in the network as in the file."""
    expected = np.array([[1.0, -np.inf, np.nan]], np.float32)
    assert relative_error(expected.copy(), expected) == 0
    for outputs in ([[1.0, np.inf, np.nan]], [[1.0, 0.0, np.nan]], [[1.0, -np.inf, 0]]):
        assert relative_error(np.array(outputs, np.float32), expected) == np.inf
    for precision in TOLERANCES:
        broken = np.full_like(GOOD, np.nan)
        assert compare(GOOD, broken, precision, "classification").fault is not None


def test_a_tolerance_of_the_users_takes_the_tables_place() -> None:
    for precision in TOLERANCES:
        loose = compare(GOOD, GOOD + 0.1, precision, "classification", tolerance=0.2)
        tight = compare(GOOD, GOOD + 0.1, precision, "classification", tolerance=0.05)
        assert loose.fault is None
        assert tight.fault is not None and tight.fault.limit == 0.05


def test_decisions_alone_are_compared_as_such() -> None:
    """A few other pixels do not make another network; many do, sooner in float than in int8."""
    expected = np.tile(GOOD, (25, 1))
    few, many = expected.copy(), expected.copy()
    few[:1] = np.roll(few[:1], 1, axis=1)
    many[:20] = np.roll(many[:20], 1, axis=1)
    for precision, outputs, fits in (
        ("fp32", few, True),
        ("fp32", many, False),
        ("int8", many, True),
    ):
        found = compare(expected, outputs, precision, "classification", decided=True)
        assert (found.fault is None) == fits


def test_drawn_inputs_forgive_ties_and_no_other_network() -> None:
    expected = np.linspace(-1, 1, 200, dtype=np.float32)[None]
    tie, other = expected.copy(), expected.copy()
    tie[0, 0] = 1.0
    other[0, :50] += 0.5
    assert elements_off(tie, expected, "fp32") == pytest.approx(1 / 200)
    assert elements_off(other, expected, "fp32") == pytest.approx(0.25)
    assert elements_off(np.full((1, 3), np.nan), np.zeros((1, 3)), "fp32") == 1.0


@pytest.mark.parametrize("count", [1, 15, 16, 17, 40])
def test_the_relative_error_is_of_all_samples_together(count: int) -> None:
    rng = np.random.default_rng(0)
    expected = rng.normal(size=(count, 3, 5)).astype(np.float32)
    outputs = expected + rng.normal(size=(count, 3, 5)).astype(np.float32) / 10
    by_hand = math.sqrt(((outputs - expected) ** 2).sum() / (expected**2).sum())
    assert rms_error(outputs, expected) == pytest.approx(by_hand, rel=1e-5)
    outputs[-1, 0, 0] = np.nan
    assert rms_error(outputs, expected) == math.inf


def test_the_relative_error_of_a_number_and_of_nothing() -> None:
    assert rms_error(np.float32(3.0), np.float32(2.0)) == pytest.approx(0.5)  # type: ignore[arg-type]
    assert rms_error(np.zeros((0, 2)), np.zeros((0, 2))) == math.inf
