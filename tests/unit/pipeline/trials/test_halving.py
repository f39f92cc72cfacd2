"""Successive halving: the trials that go on, and the frontier."""

from __future__ import annotations

from edgekit.pipeline.trials.halving import at_rung, frontier, goes_on, rungs
from tests.unit.pipeline.trials.points import point


def test_each_rung_has_twice_the_epochs() -> None:
    assert rungs(20, 3) == (5, 10, 20)
    assert rungs(3, 3) == (1, 3)
    assert rungs(1, 3) == (1,)
    assert rungs(8, 1) == (8,)


def test_the_better_half_goes_on() -> None:
    assert goes_on(point(1.0, 0.5), [])
    good = [point(1.0, 0.9), point(0.5, 0.8)]
    assert not goes_on(point(2.0, 0.5), good)
    assert goes_on(point(0.4, 0.7), good), "nothing beats it in both"
    bad = [point(3.0, 0.4), point(4.0, 0.3), point(5.0, 0.2)]
    assert goes_on(point(2.0, 0.5), [*good, *bad])


def test_a_rung_has_one_point_of_each_trial_that_came_so_far() -> None:
    first, second = point(1.0, 0.5, trial=1, epochs=2), point(1.0, 0.6, trial=1)
    other = point(2.0, 0.4, trial=2, epochs=3)
    assert at_rung([first, second, other], 0) == [first, other]
    assert at_rung([first, second, other], 1) == [second]


def test_the_frontier_is_what_nothing_beats_in_both() -> None:
    fast, right = point(0.5, 0.8, trial=1), point(1.0, 0.9, trial=2)
    twin = point(1.0, 0.9, trial=3, epochs=8)
    beaten = point(1.0, 0.85, trial=4)
    assert frontier([right, beaten, twin, fast]) == (fast, right)
    assert frontier([]) == ()
