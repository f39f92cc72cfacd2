"""The loss between two networks that answered the same samples, against exact laws and coverage."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.evaluate.paired_loss import paired_loss
from edgekit.tasks.scores import accuracy, mean_absolute_error, token_accuracy
from edgekit.types import Evaluation, PairedLoss
from edgekit.types.notes import IntervalMissing


def answers(right: np.ndarray) -> np.ndarray:
    """Outputs (n, 2) for targets of 0 that are right where `right` is 1."""
    return np.stack([right, 1.0 - right], 1).astype(np.float32)


def test_samples_that_both_get_alike_say_nothing_of_the_difference() -> None:
    targets = np.zeros(1000, np.int64)
    before = np.ones(1000)
    before[:300] = 0
    after = before.copy()
    after[300:310] = 0
    found = paired_loss(
        answers(before), answers(after), targets, accuracy, relative=False
    )
    assert isinstance(found, PairedLoss) and found.method == "mcnemar"
    assert found.drop == 0.01 and found.samples == 1000
    # Ten lost, none gained, half a sample added to each: sqrt(10.5 + 0.5 - 10 ** 2 / 1000) / 1000.
    assert found.error == pytest.approx((11 - 0.1) ** 0.5 / 1000)
    low, high = found.interval
    assert 0.003 < low < 0.01 < high < 0.017, (
        "unpaired it would reach from -3 to 5 points"
    )


def test_the_interval_covers_the_true_loss_as_often_as_it_says() -> None:
    """Networks that lose 3 points and gain 1 by chance: the truth is inside 95 times of 100."""
    random, covered = np.random.default_rng(0), 0
    for _ in range(300):
        draw = random.random(400)
        before, after = draw >= 0.13, (draw >= 0.16) | (draw < 0.01)
        found = paired_loss(
            answers(before.astype(float)),
            answers(after.astype(float)),
            np.zeros(400, np.int64),
            accuracy,
            relative=False,
        )
        assert isinstance(found, PairedLoss)
        low, high = found.interval
        covered += low <= 0.02 <= high
    assert 0.92 <= covered / 300 <= 0.99


def test_unlabeled_samples_do_not_count() -> None:
    targets = np.array([0, 0, -1, 0])
    before, after = answers(np.ones(4)), answers(np.array([1.0, 0.0, 0.0, 1.0]))
    found = paired_loss(before, after, targets, accuracy, relative=False)
    assert isinstance(found, PairedLoss) and found.samples == 3
    assert found.drop == pytest.approx(1 / 3)


def test_tokens_of_one_text_are_drawn_together() -> None:
    """Ten texts, one of which is lost in all of its hundred tokens: as a text, not as tokens."""
    targets = np.zeros((10, 100), np.int64)
    before = np.zeros((10, 100, 2), np.float32)
    before[..., 0] = 1
    after = before.copy()
    after[0] = after[0][..., ::-1]
    found = paired_loss(before, after, targets, token_accuracy, relative=False)
    assert isinstance(found, PairedLoss) and found.method == "bootstrap"
    assert found.drop == pytest.approx(0.1)
    assert found.error == pytest.approx((0.1 * 0.9 / 10) ** 0.5, rel=0.25)


def test_a_mean_of_errors_has_a_bootstrap_as_a_fraction_of_its_value() -> None:
    random = np.random.default_rng(1)
    targets = random.normal(size=(400, 1)).astype(np.float32)
    before = targets + 1
    worse = np.where(random.random((400, 1)) < 0.5, 1.0, 1.2).astype(np.float32)
    found = paired_loss(
        before, targets + worse, targets, mean_absolute_error, relative=True
    )
    assert isinstance(found, PairedLoss) and found.method == "bootstrap"
    assert found.drop == pytest.approx(0.1, abs=0.01)
    assert found.error == pytest.approx(0.1 / 20, rel=0.25)


def test_one_sample_has_no_interval() -> None:
    one = answers(np.ones(1))
    assert (
        paired_loss(one, one, np.zeros(1, np.int64), accuracy, relative=False) is None
    )


def test_bounds_and_the_number_of_samples_that_would_settle_it() -> None:
    loss = PairedLoss(drop=0.02, error=0.01, samples=100, method="mcnemar")
    low, high = loss.bounds(0.95)
    assert (low, high) == pytest.approx((0.02 - 0.01645, 0.02 + 0.01645), abs=1e-4)
    assert loss.settling(0.01, 0.95) == pytest.approx(271, abs=1)
    assert loss.settling(0.02, 0.95) is None
    assert loss.settling(0.2, 0.95) == 100


def test_a_metric_that_takes_no_part_of_the_samples_has_no_interval() -> None:
    """A user's function that fails on a draw ends no build."""
    targets = np.arange(50)

    def score(outputs: np.ndarray, given: np.ndarray) -> Evaluation:
        if len(np.unique(given)) < 50:
            raise ValueError("every sample is needed")
        return Evaluation(metric="found", value=float(outputs.mean()), samples=50)

    before, after = np.ones((50, 1), np.float32), np.zeros((50, 1), np.float32)
    found = paired_loss(before, after, targets, score, relative=False)
    assert found == IntervalMissing(
        cause="metric_failed", detail="ValueError: every sample is needed"
    )

    def nothing(outputs: np.ndarray, given: np.ndarray) -> Evaluation:
        value = 1.0 if len(np.unique(given)) == 50 else float("nan")
        return Evaluation(metric="found", value=value, samples=50)

    found = paired_loss(before, after, targets, nothing, relative=False)
    assert found == IntervalMissing(cause="not_finite")
