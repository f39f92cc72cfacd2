"""Factors of damages from the measured losses of whole plans."""

from __future__ import annotations

import pytest

from edgekit.prune.damage import MeasuredPlan, corrected, factors
from edgekit.types import Sensitivity


def plan(loss: float, *, trained: bool = False, **damages: float) -> MeasuredPlan:
    return MeasuredPlan(damages=damages, loss=loss, trained=trained)


def test_a_plan_that_loses_what_was_expected_changes_nothing() -> None:
    assert factors([]) == factors([plan(0.1)]) == {}
    found = factors([plan(0.3, a=0.1, b=0.2)])
    assert found == {"a": pytest.approx(1.0), "b": pytest.approx(1.0)}


def test_the_cut_that_a_plan_mostly_consists_of_is_suspected() -> None:
    found = factors([plan(4.0, a=0.95, b=0.05)])
    assert found["a"] > 2 and found["b"] == pytest.approx(1, abs=0.1)
    many = factors([plan(4.0, **{f"c{n}": 0.1 for n in range(10)})])
    assert max(many.values()) < 1.6, "many small ones are hardly suspected"


def test_two_plans_tell_their_cuts_apart() -> None:
    found = factors([plan(2.2, a=0.2, b=0.2), plan(0.2, b=0.2), plan(0.4, b=0.4)])
    assert found["a"] > 6 * found["b"]


def test_training_makes_up_for_all_plans_alike() -> None:
    """Three plans lose a tenth after training: nothing is known about any of their cuts."""
    alike = [
        plan(0.02, trained=True, a=0.2),
        plan(0.03, trained=True, b=0.3),
        plan(0.01, trained=True, c=0.1),
    ]
    assert all(f == pytest.approx(1, abs=0.2) for f in factors(alike).values())
    worse = factors([*alike[:2], plan(0.1, trained=True, c=0.1)])
    assert worse["c"] > 2.5 * max(worse["a"], worse["b"])


def test_a_sensitivity_is_corrected_by_factors() -> None:
    senses = Sensitivity(
        groups={"a": ((8, 0.1), (4, 0.4)), "b": ((8, 0.2),)}, blocks={"x": 0.3}
    )
    found = corrected(senses, {"a": 2.0, "x": 0.5})
    assert found.groups == {"a": ((8, 0.2), (4, 0.8)), "b": ((8, 0.2),)}
    assert found.blocks == {"x": 0.15}
