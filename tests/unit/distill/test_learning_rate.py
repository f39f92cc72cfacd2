"""Trials of learning rates on a tiny network."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgekit.distill import Hooks, learning_rate
from edgekit.distill.learning_rate import FACTORS
from edgekit.distill.optimize import RATES
from edgekit.distill.processes import Processes
from edgekit.distill.tasks import DistillationTask, of_kind
from edgekit.types import DistillRecipe, RateTest
from tests.unit.distill.test_train import TRAIN, VALIDATION, distilled, network

RECIPE = DistillRecipe(
    epochs=32, batch_size=16, learning_rate="auto", soft_weight=0.0, patience=1
)
STEPS = 5
"""5 % of 32 epochs of 16 or 17 steps, shared by five rates."""


def trial(**changes: object) -> RateTest:
    found: list[RateTest] = []
    student = network(4, 1)
    before = student.fingerprint()
    recipe = replace(RECIPE, **changes)  # type: ignore[arg-type]
    hooks = Hooks(on_rate=found.append)
    result = distilled(student, student, recipe=recipe, hooks=hooks)
    assert [result.rate_test] == found and student.fingerprint() == before
    return found[0]


def test_the_rate_above_the_lowest_loss_trains() -> None:
    """A few steps favor small rates. The same seed finds the same."""
    test = trial()
    rates = [rate for rate, _ in test.losses]
    assert rates == pytest.approx([f * RATES["sgd"] for f in FACTORS])
    losses = [loss for _, loss in test.losses if loss is not None]
    assert len(losses) == 5 and test.steps == STEPS
    lowest = losses.index(min(losses))
    assert test.rate == rates[min(lowest + 1, len(rates) - 1)]
    assert test.steps * 5 <= 0.05 * RECIPE.epochs * (len(TRAIN) // 16 + 1)
    assert trial() == test


def test_rates_at_which_training_breaks_are_not_taken() -> None:
    """A decay of weights that lets them grow beyond all numbers, sooner at higher rates."""
    student = network(4, 1)
    given = DistillationTask(
        teachers=(student,),
        student=student,
        train=TRAIN,
        validation=VALIDATION,
        recipe=replace(RECIPE, weight_decay=1e9),
        task=of_kind("classification"),
        seed=0,
    )
    test = learning_rate.tested(given, Processes())
    assert test.losses[-1][1] is None and test.losses[0][1] is not None
    assert dict(test.losses)[test.rate] is not None


def test_a_short_training_keeps_the_default() -> None:
    test = trial(epochs=2, optimizer="adamw")
    assert test == RateTest(rate=RATES["adamw"], steps=0, losses=())


def test_a_recipe_with_a_rate_is_not_tried() -> None:
    recipe = replace(RECIPE, epochs=1, learning_rate=0.05)
    student = network(4, 1)
    assert distilled(student, student, recipe=recipe).rate_test is None
