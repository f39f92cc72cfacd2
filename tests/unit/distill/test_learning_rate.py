"""Trials of learning rates on a tiny network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.distill import Hooks, learning_rate
from edgekit.distill.learning_rate import FACTORS, HIGHER
from edgekit.distill.optimize import RATES
from edgekit.distill.processes import Processes
from edgekit.distill.tasks import DistillationTask, of_kind
from edgekit.types import DistillRecipe, Epoch, RateTest
from tests.unit.distill.test_train import TRAIN, VALIDATION, distilled, network

RECIPE = DistillRecipe(epochs=14, batch_size=16, soft_weight=0.0, patience=1)
STEPS = 5
"""One in forty of 14 epochs of 16 steps."""


def trial(**changes: object) -> RateTest:
    found: list[RateTest] = []
    student = network(4, 1)
    before = student.fingerprint()
    recipe = replace(RECIPE, **changes)  # type: ignore[arg-type]
    hooks = Hooks(on_rate=found.append)
    result = distilled(student, student, recipe=recipe, hooks=hooks)
    assert [result.rate_test] == found and student.fingerprint() == before
    return found[0]


def test_the_best_rate_and_those_above_it_are_tried_for_longer() -> None:
    """A student that is its teacher is best left alone in few steps. The same seed finds the
    same."""
    test = trial(soft_weight=0.9)
    rates = [f * RATES["sgd"] for f in (*FACTORS, *HIGHER)]
    assert [rate for rate, _ in test.losses] == pytest.approx(rates[:5])
    losses = [loss for _, loss in test.losses if loss is not None]
    assert len(losses) == 5 and test.steps == STEPS
    best = losses.index(min(losses))
    after = [loss for _, loss in test.longer if loss is not None]
    assert [rate for rate, _ in test.longer] == pytest.approx(rates[best:6])
    falling = after[:-1]
    assert len(falling) > 2 and falling == sorted(falling, reverse=True)
    assert falling[-1] == min(after), "the highest of all rates, and one above it"
    assert test.rate == pytest.approx(rates[4])
    assert trial(soft_weight=0.9) == test


def test_the_highest_rate_about_as_good_as_the_best_is_taken() -> None:
    test = trial(soft_weight=0.9, optimizer="adamw")
    losses = {rate: loss for rate, loss in test.longer if loss is not None}
    alike = [r for r, loss in losses.items() if loss <= 1.2 * min(losses.values())]
    *_, highest = losses
    assert test.rate == max(alike) < highest
    assert losses[test.rate] > min(losses.values()), "a worse one, and higher"


def test_rates_rise_while_the_highest_lost_least() -> None:
    test = trial()
    losses = [loss for _, loss in test.losses if loss is not None]
    assert min(losses) == losses[4] < losses[5] and len(losses) == 6
    by_rate = dict(test.longer)
    assert {rate for rate, _ in test.losses[4:]} <= by_rate.keys()
    assert test.rate in by_rate


def test_the_highest_rate_of_all_needs_no_longer_trial(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(learning_rate, "HIGHER", ())
    test = trial()
    losses = [loss for _, loss in test.losses if loss is not None]
    assert min(losses) == losses[-1] and not test.longer
    assert test.rate == test.losses[-1][0]


def with_decay(weight_decay: float) -> DistillationTask:
    student = network(4, 1)
    return DistillationTask(
        teachers=(student,),
        student=student,
        train=TRAIN,
        validation=VALIDATION,
        recipe=replace(RECIPE, weight_decay=weight_decay),
        task=of_kind("classification"),
        seed=0,
    )


def test_rates_at_which_training_breaks_are_not_taken() -> None:
    """A decay of weights that lets them grow beyond all numbers, or change their sign."""
    test = learning_rate.tested(with_decay(2e8), Processes())
    losses = dict(test.losses)
    assert None in losses.values() and losses[test.rate] is not None


def test_no_rate_above_one_that_broke_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """In short trials 0.3 of the default is best, and three times as much breaks; in longer ones
    the default is best."""
    short = {0.1: 0.3, 0.3: 0.1, 1.0: 0.2}
    tried: list[float] = []

    def losses(
        _: object, rates: list[float], steps: int, *others: object
    ) -> tuple[tuple[float, float | None], ...]:
        factors = [round(rate / RATES["sgd"], 3) for rate in rates]
        tried.extend(factors)
        known = short if steps == STEPS else {0.3: 0.1, 1.0: 0.05}
        return tuple(
            (rate, known.get(factor))
            for rate, factor in zip(rates, factors, strict=True)
        )

    monkeypatch.setattr(learning_rate, "_losses", losses)
    test = learning_rate.tested(with_decay(0.0), Processes())
    assert tried == [*FACTORS, 0.3, 1.0]
    assert test.rate == pytest.approx(RATES["sgd"])


def test_the_default_is_taken_where_every_rate_breaks() -> None:
    test = learning_rate.tested(with_decay(7e8), Processes())
    assert {loss for _, loss in test.losses} == {None} and not test.longer
    assert test.rate == RATES["sgd"]


def test_a_short_training_keeps_the_default() -> None:
    test = trial(epochs=2, optimizer="adamw")
    assert test == RateTest(rate=RATES["adamw"], steps=0, losses=())


def test_a_recipe_with_a_rate_is_not_tried() -> None:
    recipe = replace(RECIPE, epochs=1, learning_rate=0.05)
    student = network(4, 1)
    assert distilled(student, student, recipe=recipe).rate_test is None


def test_a_resumed_training_keeps_its_rate(tmp_path: Path) -> None:
    tried: list[float] = []

    def killed(epoch: Epoch) -> None:
        if epoch.number == 3:
            raise KeyboardInterrupt

    student = network(4, 1)
    recipe = replace(RECIPE, checkpoint_minutes=0, patience=None)
    where = {"recipe": recipe, "folder": tmp_path}
    with pytest.raises(KeyboardInterrupt):
        distilled(student, student, **where, hooks=Hooks(on_epoch=killed))
    resumed = distilled(student, student, **where, hooks=Hooks(on_trial=tried.append))
    whole = distilled(
        student, student, recipe=recipe, hooks=Hooks(on_trial=tried.append)
    )
    test = whole.rate_test
    assert test is not None and len(tried) == len(test.losses) + len(test.longer)
    assert resumed.rate_test == whole.rate_test
    assert resumed.program.fingerprint() == whole.program.fingerprint()


def test_a_penalty_has_the_rate_of_the_recipe() -> None:
    student = network(4, 1)
    hooks = Hooks(penalty=lambda module: next(module.parameters()).abs().sum())
    recipe = replace(RECIPE, epochs=3)
    assert distilled(student, student, recipe=recipe, hooks=hooks).rate_test is None
