"""Limits of a plan."""

from __future__ import annotations

import pytest

from edgekit.prune.solution import Limits, over


def test_only_limits_that_are_set_are_given() -> None:
    assert Limits().given() == {}
    assert Limits(cost=2.0, macs=0).given() == {"cost": 2.0, "macs": 0}


@pytest.mark.parametrize(
    ("amount", "most", "expected"),
    [(100, 100, False), (101, 100, True), (0.1 + 0.2, 0.3, False), (0.301, 0.3, True)],
)
def test_sums_may_round_and_whole_numbers_may_not(
    amount: float, most: float, expected: bool
) -> None:
    assert over(amount, most) is expected
