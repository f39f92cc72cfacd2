"""How weights move: what breaks when the schedule, the average or a limit does nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import fx, nn

from edgekit.data import Dataset
from edgekit.data.samples import InMemory
from edgekit.distill import Distilled, Hooks, distill
from edgekit.distill.optimize import learning_rate, optimizer, rate_at
from edgekit.distill.sampler import TrainSampler
from edgekit.program.program import trace
from edgekit.types import DistillRecipe, InputSpec, Preprocess

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


def taught(recipe: DistillRecipe, hooks: Hooks | None = None) -> Distilled:
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
    constant = taught(replace(RECIPE, schedule="constant"))
    still = taught(replace(RECIPE, learning_rate=1e-9, schedule="constant"))
    for name in ("one-cycle", "cosine"):
        moved = (weight(taught(replace(RECIPE, schedule=name))) - weight(still)).norm()
        whole = (weight(constant) - weight(still)).norm()
        assert 0.05 * whole < moved < 0.95 * whole, name


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
    start = weight(taught(replace(recipe, learning_rate=1e-12)))
    clipped = weight(taught(replace(recipe, clip_norm=1e-3)))
    steps, momentum = 4, 1 / (1 - 0.9)
    assert (clipped - start).norm() <= steps * 0.1 * 1e-3 * momentum
    assert (weight(taught(recipe)) - start).norm() > 10 * (clipped - start).norm()


def test_parts_of_a_batch_add_up_to_it() -> None:
    """Unequal ones too: 12 samples in 5 parts."""
    whole = taught(RECIPE)
    parts = taught(replace(RECIPE, accumulate=5))
    torch.testing.assert_close(weight(parts), weight(whole))
    assert parts.epochs[1].loss == pytest.approx(whole.epochs[1].loss, rel=1e-5)


def test_what_is_kept_is_the_moving_average() -> None:
    walked: list[torch.Tensor] = []

    def watch(module: fx.GraphModule) -> None:
        walked.append(module.get_parameter("weight").detach().clone())

    start = weight(taught(replace(RECIPE, learning_rate=1e-12)))
    found = taught(replace(RECIPE, ema=0.8), Hooks(after_step=watch))
    average = start
    kept = [start]
    for step, value in enumerate(walked, 1):
        decay = min(0.8, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * value
        kept.append(average)
    expected = kept[found.best_epoch * len(walked) // RECIPE.epochs]
    torch.testing.assert_close(weight(found), expected)
    assert not torch.allclose(weight(found), walked[-1])


def test_samples_are_mixed_with_their_partners() -> None:
    data = samples()
    supply = TrainSampler(data, replace(RECIPE, mixup=0.4), torch.float32, 0)
    numbers = torch.arange(8)
    mix = supply.mix(len(numbers))
    assert mix is not None and 0 < mix.share < 1
    taken = supply.take(numbers, torch.arange(8), None, mix)
    x, y = data.arrays()
    partner = mix.partner.numpy()
    blended = mix.share * x[:8] + (1 - mix.share) * x[partner]
    np.testing.assert_allclose(taken.inputs, blended, rtol=1e-5, atol=1e-6)
    assert taken.other is not None and taken.share == mix.share
    assert taken.targets.tolist() == y[:8].tolist()
    assert taken.other.tolist() == y[partner].tolist()
    assert TrainSampler(data, RECIPE, torch.float32, 0).mix(8) is None


def test_training_ends_when_it_is_tired() -> None:
    """Epochs that get no better: labels that say the opposite, learned ever better."""
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
    assert len(found.epochs) == 1 + 3 and found.best_epoch == 0
