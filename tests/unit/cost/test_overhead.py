"""Tables corrected by whole networks measured."""

from __future__ import annotations

import pytest

from edgekit.cost.overhead import Overhead, fitted


def test_no_measurement_corrects_nothing() -> None:
    assert fitted([]) == Overhead()
    assert Overhead().fraction == 0.0
    assert Overhead().speedup(0.5) == pytest.approx(2.0)
    assert Overhead().operators(4.0) == pytest.approx(0.25)


def test_the_overhead_that_explains_a_miss_is_found() -> None:
    """Operators at half of their time, and a network 1.6 times as fast: a quarter is overhead."""
    found = fitted([(0.5, 1.6)])
    assert found.fraction == pytest.approx(0.25)
    assert found.speedup(0.5) == pytest.approx(1.6)
    assert found.operators(2.0) == pytest.approx(1 / 3)
    assert found.operators(4.0) is None, "overhead alone takes as long"


def test_between_a_miss_and_an_overshoot_the_line_between_them_counts() -> None:
    found = fitted([(0.2, 4.0), (0.5, 1.6)])  # 0.25 and 0.625 of the time
    assert found.operators(1 / 0.4375) == pytest.approx(0.35)
    assert found.speedup(0.35) == pytest.approx(1 / 0.4375)
    assert found.speedup(0.75) == pytest.approx(1 / 0.8125), "the unpruned one is known"


def test_past_the_fastest_network_its_own_overhead_counts() -> None:
    found = fitted([(0.5, 1.6), (0.25, 2.5)])
    assert found.fraction == pytest.approx(0.2)
    assert found.operators(4.0) == pytest.approx(0.0625)


def test_a_network_that_got_slower_leaves_little_to_plan_with() -> None:
    assert fitted([(0.5, 0.9)]).fraction == pytest.approx(0.95)


def test_a_network_that_was_not_cut_states_nothing() -> None:
    assert fitted([(1.0, 1.02)]) == Overhead()
