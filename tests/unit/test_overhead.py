"""Tables corrected by whole networks measured."""

from __future__ import annotations

import pytest

from edgekit.overhead import Overhead, fitted


def test_no_measurement_corrects_nothing() -> None:
    assert fitted([]) == Overhead()
    assert Overhead().speedup(0.5) == pytest.approx(2.0)
    assert Overhead().operators(4.0) == pytest.approx(0.25)


def test_the_overhead_that_explains_a_miss_is_found() -> None:
    """Operators at half of their time, and a network 1.6 times as fast: a quarter is overhead."""
    found = fitted([(0.5, 1.6)])
    assert found.share == pytest.approx(0.25)
    assert found.speedup(0.5) == pytest.approx(1.6)
    assert found.operators(2.0) == pytest.approx(1 / 3)
    assert found.operators(4.0) is None, "overhead alone takes as long"


def test_several_rounds_are_reconciled() -> None:
    share = fitted([(0.5, 1.6), (0.25, 2.6)]).share
    assert fitted([(0.5, 1.6)]).share > share > fitted([(0.25, 2.6)]).share


def test_a_network_that_got_slower_leaves_little_to_plan_with() -> None:
    assert fitted([(0.5, 0.9)]).share == 0.95
