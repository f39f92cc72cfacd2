"""Points of a search."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.pipeline.trials.points import point


def test_a_loss_is_less_where_the_metric_is_better() -> None:
    good, bad = point(1.0, 0.9), point(1.0, 0.5)
    assert good.loss < bad.loss
    error = replace(good.evaluation, higher_is_better=False)
    assert replace(good, evaluation=error).loss > replace(bad, evaluation=error).loss


def test_each_rung_of_a_trial_has_a_bundle_of_its_own() -> None:
    assert point(1.0, 0.9, trial=3, epochs=8).bundle == "trial-3/epochs-8"
