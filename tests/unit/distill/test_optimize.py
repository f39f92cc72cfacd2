"""Optimization: errors that appear when the schedule, the average or a limit does nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.data import Dataset
from edgekit.data.samples import InMemory
from edgekit.distill import Distilled, Hooks, distill
from edgekit.distill.optimize import (
    batch_size,
    learning_rate,
    optimizer,
    parts,
    rate_at,
)
from edgekit.distill.tasks import of_functions
from edgekit.program.program import trace
from edgekit.types import DistillRecipe, InputSpec, Preprocess, TaskKind, TaskSpec

RECIPE = DistillRecipe(epochs=2, batch_size=12, learning_rate=0.1, losses={})
CLASSES = 3


def samples(count: int = 48) -> Dataset:
    x = np.random.default_rng(0).normal(size=(count, 4)).astype(np.float32)
    return Dataset(
        InMemory(values=x),
        x.argmax(1) % CLASSES,
        labels=(),
        preprocess=Preprocess(scale=1),
    )


def distilled(recipe: DistillRecipe, hooks: Hooks | None = None) -> Distilled:
    torch.manual_seed(0)
    pair = [trace(nn.Linear(4, CLASSES), (InputSpec(shape=(4,)),)) for _ in range(2)]
    data = samples()
    return distill(
        *pair, train=data, validation=data, recipe=recipe, seed=0, hooks=hooks
    )


def weight(found: Distilled) -> torch.Tensor:
    return found.program.module.get_parameter("weight").detach()


def test_rates_climb_and_fall() -> None:
    rates = {
        name: [rate_at(step, 100, name) for step in range(100)]
        for name in ("one-cycle", "cosine", "constant")
    }
    assert set(rates["constant"]) == {1.0}
    for name, peak, end in (("one-cycle", 19, 4e-6), ("cosine", 4, 0.0)):
        values = rates[name]
        assert values[0] == pytest.approx(0.04)
        assert values.index(max(values)) == peak and max(values) == 1.0
        assert values[-1] == pytest.approx(end)
        assert values[peak:] == sorted(values[peak:], reverse=True)
    middle = (19 + 99) // 2
    assert rates["one-cycle"][middle] == pytest.approx(0.5, abs=1e-4)


def test_the_schedule_is_followed() -> None:
    """A rate of nearly nothing at both ends moves the weights less than the peak all the way."""
    constant = distilled(replace(RECIPE, schedule="constant"))
    still = distilled(replace(RECIPE, learning_rate=1e-9, schedule="constant"))
    for name in ("one-cycle", "cosine"):
        moved = (
            weight(distilled(replace(RECIPE, schedule=name))) - weight(still)
        ).norm()
        whole = (weight(constant) - weight(still)).norm()
        assert 0.05 * whole < moved < 0.95 * whole, name


def test_a_detector_takes_smaller_batches_where_none_are_named() -> None:
    unnamed, named = DistillRecipe(), DistillRecipe(batch_size=7)
    assert batch_size(unnamed, "classification") == 64
    assert batch_size(unnamed, "detection") == 16
    assert batch_size(named, "detection") == 7


@pytest.mark.parametrize(("kind", "steps"), [("classification", 1), ("detection", 3)])
def test_steps_of_an_epoch_go_by_the_kind_of_task(kind: TaskKind, steps: int) -> None:
    places = nn.Sequential(nn.Linear(4, 15), nn.Unflatten(1, (3, 5)))
    network = places if kind == "detection" else nn.Linear(4, CLASSES)
    program, data, seen = trace(network, (InputSpec(shape=(4,)),)), samples(), []
    distill(
        program,
        program.copy(),
        train=data,
        validation=data,
        seed=0,
        kind=kind,
        recipe=DistillRecipe(epochs=1, losses={}),
        task=of_functions(TaskSpec(kind=kind), None),
        hooks=Hooks(after_step=seen.append),
    )
    assert len(seen) == steps


def test_large_activations_are_taken_in_parts_of_enough_samples() -> None:
    """64 samples of 20 million numbers, 4 bytes each, are 4.8 GiB; parts have at least 16."""
    millions = 10**6
    for size, numbers, expected in (
        (64, 20 * millions, 4),
        (64, 5 * millions, 2),
        (64, millions, 1),
        (16, 20 * millions, 1),
        (256, 20 * millions, 16),
    ):
        assert parts(RECIPE, size, numbers) == expected
    assert parts(replace(RECIPE, accumulate=3), 64, 1) == 3


def test_weights_decay_and_biases_do_not() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    for name, rate in (("sgd", 0.01), ("adamw", 1e-3)):
        recipe = DistillRecipe(optimizer=name, weight_decay=0.25)
        first, second = optimizer(module, recipe).param_groups
        assert [p.ndim for p in first["params"]] == [2]
        assert [p.ndim for p in second["params"]] == [1, 1, 1]
        assert (first["weight_decay"], second["weight_decay"]) == (0.25, 0.0)
        assert first["lr"] == learning_rate(recipe) == rate


def test_gradients_are_clipped() -> None:
    """Without momentum's sum a step is no longer than rate times norm."""
    recipe = replace(RECIPE, schedule="constant", weight_decay=0.0, epochs=1)
    start = weight(distilled(replace(recipe, learning_rate=1e-12)))
    clipped = weight(distilled(replace(recipe, clip_norm=1e-3)))
    steps, momentum = 4, 1 / (1 - 0.9)
    assert (clipped - start).norm() <= steps * 0.1 * 1e-3 * momentum
    assert (weight(distilled(recipe)) - start).norm() > 10 * (clipped - start).norm()


def test_training_ends_when_it_is_tired() -> None:
    """Epochs that get no better: labels of the opposite, learned ever better."""
    torch.manual_seed(0)
    start = trace(nn.Linear(4, CLASSES), (InputSpec(shape=(4,)),))
    data = samples()
    lies = Dataset(
        InMemory(values=data.arrays()[0]),
        (data.targets + 1) % CLASSES,
        labels=(),
        preprocess=Preprocess(scale=1),
    )
    right = distill(
        start, start, train=data, validation=data, seed=0,
        recipe=replace(RECIPE, soft_weight=0.0, epochs=20, schedule="constant"),
    ).program  # fmt: skip
    recipe = replace(RECIPE, soft_weight=0.0, epochs=9, patience=3, learning_rate=0.5)
    found = distill(right, right, train=lies, validation=data, recipe=recipe, seed=0)
    assert len(found.epochs) == 1 + 3 and found.kept_epoch == 0
