"""Accuracy that plans are expected to have: worlds where the law of the loss is known."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgekit.pipeline.expected_accuracy import (
    ALONE,
    REFITTED,
    Expectations,
    TrainedOutcome,
    keep_outcome,
    read_outcomes,
    slope_of,
)
from edgekit.store import Store
from edgekit.types import AccuracyUnknown, Evaluation, ExpectedAccuracy

REFERENCE = Evaluation(metric="accuracy", value=0.9, samples=10**9)
DAMAGES = (0.01, 0.1, 1.0, 3.0, 12.0, 50.0)
NONE = Expectations(outcomes=(), family="mine", reference=REFERENCE, relative=False)


def outcome(family: str, damage: float, slope: float) -> TrainedOutcome:
    return TrainedOutcome(
        family=family, unit="points", damage=damage, drop=slope * damage, noise=0.0
    )


def expected(known: Expectations, damage: float) -> ExpectedAccuracy:
    found = known.expected(damage, ALONE)
    assert isinstance(found, ExpectedAccuracy)
    return found


def test_before_any_network_was_trained_the_band_is_a_wide_prior() -> None:
    found = expected(NONE, 1.0)
    assert (found.trained, found.own) == (0, 0)
    assert found.expected == pytest.approx(0.84)
    assert found.low < 0.75 and found.high > 0.87
    assert expected(NONE, 0.0).expected == pytest.approx(0.9)
    assert expected(NONE, 1e6).low == 0.0, "a fraction has ends"


def test_own_trained_networks_count_most_and_others_a_little() -> None:
    """Ten networks lose a tenth of a point for a nat; this one loses five."""
    others = [outcome(f"net {n}", d, 0.001) for n in range(10) for d in (0.5, 2.0)]
    by_others = expected(replace(NONE, outcomes=tuple(others)), 1.0)
    assert 0.897 < by_others.expected < 0.8995
    own = [outcome("mine", damage, 0.05) for damage in (0.5, 1.0, 2.0, 3.0)]
    by_own = expected(replace(NONE, outcomes=(*others, *own)), 1.0)
    assert by_own.expected == pytest.approx(0.85, abs=0.015)
    assert (by_own.trained, by_own.own) == (24, 4)
    prior = expected(NONE, 1.0)
    assert by_own.high - by_own.low < prior.high - prior.low


def test_the_band_holds_four_of_five_networks() -> None:
    """Slopes scatter by a factor of three between networks and 1.4 between plans of one."""
    random, inside, known = np.random.default_rng(0), [], []
    for number in range(400):
        family = f"net {number}"
        center = math.log(0.004) + random.normal(0, math.log(3))
        for _ in range(2):
            damage = random.uniform(0.3, 3)
            slope = math.exp(center + random.normal(0, math.log(1.4)))
            made = outcome(family, damage, slope)
            before = replace(NONE, outcomes=tuple(known[-200:]), family=family)
            band = expected(before, damage)
            value = 0.9 - made.drop
            inside.append(band.low <= max(0.0, value) <= band.high)
            known.append(made)
    assert np.mean(inside[100:]) == pytest.approx(0.8, abs=0.05)


def test_the_plan_that_was_trained_tells_most() -> None:
    """It lost three points, which is more than the law expects; another plan may lose less."""
    known = replace(NONE, outcomes=(outcome("mine", 0.2, 0.15),))
    same, near, other = (expected(known, damage) for damage in (0.2, 0.21, 1.0))
    assert same.expected == pytest.approx(0.87, abs=0.003)
    assert near.expected == pytest.approx(same.expected, abs=0.003)
    widths = [
        math.log((0.9 - one.low) / (0.9 - one.high)) for one in (same, near, other)
    ]
    assert widths[0] < widths[1] < 0.8 * widths[2]
    assert known.out_of_reach(0.2, ALONE, 0.02)
    assert not replace(known, family="another").out_of_reach(0.2, ALONE, 0.02)


def test_a_loss_that_noise_hides_counts_as_the_noise() -> None:
    gained = replace(outcome("mine", 1.0, -0.01), noise=0.002)
    assert gained.log_slope(ALONE) == pytest.approx(math.log(0.002))
    by_it, without = (slope_of(each, "mine", ALONE, 1.0) for each in ([gained], []))
    assert by_it.center < without.center


def test_training_makes_up_for_more_of_a_larger_loss() -> None:
    """From 0.2 nats to 3.4, networks that were seen lost two thirds more, not 17 times as much."""
    small, large = (0.9 - expected(NONE, damage).expected for damage in (0.2, 3.4))
    assert 2 * small < large < 10 * small


def test_outcomes_that_say_nothing_do_not_count() -> None:
    """A network that was not cut, or whose few samples hide any loss, has no slope."""
    nothing = [
        replace(outcome("uncut", 0.0, 0.0), noise=0.14),
        replace(outcome("few", 1.0, 0.01), noise=0.14),
    ]
    assert expected(replace(NONE, outcomes=tuple(nothing)), 1.0) == expected(NONE, 1.0)
    seen = replace(outcome("few", 1.0, 0.3), noise=0.14)
    assert expected(replace(NONE, outcomes=(seen,)), 1.0).trained == 1


def test_a_budget_is_out_of_reach_where_the_band_lies_below_it() -> None:
    for allowed in (0.005, 0.02, 0.1):
        below = [expected(NONE, d).high < REFERENCE.value - allowed for d in DAMAGES]
        assert [NONE.out_of_reach(d, ALONE, allowed) for d in DAMAGES] == below
        assert {*below} == {True, False}


def test_a_wide_band_refuses_little() -> None:
    assert not NONE.out_of_reach(0.3, ALONE, 0.01), "one in ten would keep it"
    assert NONE.out_of_reach(12.0, ALONE, 0.01)
    frail = [outcome("mine", damage, 0.1) for damage in (0.5, 1.0, 2.0)]
    assert replace(NONE, outcomes=tuple(frail)).out_of_reach(1.0, ALONE, 0.01)
    few = replace(NONE, reference=replace(REFERENCE, samples=40))
    assert not few.out_of_reach(1.0, ALONE, 0.01), "noise may hide what is lost"
    for damage in (None, math.inf):
        assert not NONE.out_of_reach(damage, ALONE, 0.01)
    assert not replace(
        NONE, reference=replace(REFERENCE, is_fraction=False)
    ).out_of_reach(12.0, ALONE, 0.01)


def test_losses_of_other_units_are_no_experience() -> None:
    relative = replace(outcome("mine", 1.0, 0.5), unit="%")
    found = expected(replace(NONE, outcomes=(relative,)), 1.0)
    assert found.trained == 0


def test_a_precision_that_loses_by_itself_is_taken_off() -> None:
    quantized = replace(NONE, lost=0.02)
    assert expected(quantized, 0.0).expected == pytest.approx(0.88)
    made = quantized.outcome(1.0, replace(REFERENCE, value=0.87))
    assert made.drop == pytest.approx(0.01)


def test_a_metric_that_is_better_lower_has_its_band_the_right_way_around() -> None:
    error = replace(REFERENCE, value=2.0, higher_is_better=False, is_fraction=False)
    found = expected(replace(NONE, reference=error, relative=True), 1.0)
    assert found.low < found.expected < found.high
    assert found.expected == pytest.approx(2.12)


def test_where_nothing_can_be_said_the_reason_is() -> None:
    own = replace(NONE, reference=replace(REFERENCE, is_fraction=False, value=20.0))
    assert own.expected(1.0, ALONE) == AccuracyUnknown(reason="metric_without_scale")
    for damage in (None, math.inf, math.nan):
        found = NONE.outlook(damage, ALONE, 0.8)
        assert found.unknown == AccuracyUnknown(reason="damage_not_measured")
        assert (found.expected, found.inside, found.outcome) == (None, None, 0.8)
    assert (
        NONE.outlook(1.0, ALONE, 0.87).inside
        and not NONE.outlook(1.0, ALONE, 0.5).inside
    )
    assert NONE.outlook(1.0, ALONE).inside is None


def test_outcomes_are_kept_for_later_builds_each_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert read_outcomes(store) == ()
    made = [outcome("mine", 1.0, 0.01), outcome("other", 2.0, 0.03)]
    for one in (*made, made[0]):
        keep_outcome(store, one)
    found = read_outcomes(Store(tmp_path))
    assert sorted(found, key=lambda one: one.family) == made


def test_a_measured_loss_has_a_law_of_its_own(tmp_path: Path) -> None:
    """Cuts that lose a nat alone and were measured to lose a quarter once refitted."""
    made = replace(outcome("mine", 1.0, 0.02), refitted=0.25)
    known = replace(NONE, outcomes=(made, outcome("mine", 1.0, 0.02)))
    alone, refitted = (known.expected(1.0, law) for law in (ALONE, REFITTED))
    assert isinstance(alone, ExpectedAccuracy)
    assert isinstance(refitted, ExpectedAccuracy)
    assert (alone.own, refitted.own) == (2, 1), "one network was not measured"
    assert refitted.expected < alone.expected
    keep_outcome(Store(tmp_path), made)
    assert read_outcomes(Store(tmp_path)) == (made,)
    smaller = replace(NONE, before=0.1).outcome(1.0, REFERENCE, 0.25)
    assert smaller.refitted == pytest.approx(0.35)


def test_noise_and_the_law_widen_the_band_together() -> None:
    """Both are independent, so that their squares add up."""
    noisy = replace(NONE, reference=replace(REFERENCE, samples=400))
    reach = 1.2816 * noisy.reference.noise
    plain, wide = expected(NONE, 0.2), expected(noisy, 0.2)
    for edge in ("low", "high"):
        by_law, by_both = (
            abs(getattr(one, edge) - one.expected) for one in (plain, wide)
        )
        assert by_both == pytest.approx(math.hypot(by_law, reach), rel=1e-3)
