"""A learning rate by trial: short trainings at a few rates, longer ones from the best upward, and
the highest rate that is about as good as the best of those.

A cut that loses little is harmed by a rate that a deep one needs, so no one rate serves both. Every
trial begins with the same student, takes the same batches and lets its rate fall as the whole
training does; losses are of validation samples. Two things make rates seem too high there: short
trainings (Wu et al., "Understanding Short-Horizon Bias in Stochastic Meta-Optimization", 2018,
arXiv:1803.02021), and samples that the network was trained on before it was cut, as most users'
validation samples are: a low rate keeps what the network memorized of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from edgekit.distill import optimize
from edgekit.distill.checkpoint import TrainingState
from edgekit.distill.processes import Processes
from edgekit.distill.sampler import TrainSampler
from edgekit.distill.tasks import DistillationTask
from edgekit.distill.trainer import Trainer
from edgekit.errors import TrainingError
from edgekit.types import DistillRecipe, RateTest
from edgekit.types.training import RateLosses

FACTORS = (0.1, 0.3, 1.0, 3.0, 10.0)
"""Rates that are tried, of the default of the recipe's optimizer."""
HIGHER = (30.0, 100.0)
"""Those tried besides, one after another, where the highest so far lost least: deep cuts of two
networks lost a quarter to a half less on test samples by 30 than by 10."""
_PART = 0.025
"""Steps of a short trial, of those of the training."""
_LONGER = 4
"""Steps of a longer trial, of those of a short one."""
_FEWEST, _MOST = 5, 150
"""Steps of a short trial: the schedule needs some, and more show nothing new."""
_ALIKE = 1.2
"""Ratio of two losses that count as alike: between rates that were too high for whole trainings
(1.4 and more of the best) and those that were better on test samples (up to 1.16)."""
_BATCHES = 16
"""Batches of validation samples that a loss is taken of."""


def trial_fraction(recipe: DistillRecipe) -> float:
    """Steps of a recipe's trials, of those of its training, where two are longer."""
    return _PART * (len(FACTORS) + 2 * _LONGER) if recipe.learning_rate == "auto" else 0


def tested(
    given: DistillationTask,
    processes: Processes,
    on_trial: Callable[[float], None] | None = None,
) -> RateTest:
    """The highest rate whose longer trial lost about as little as the best; the default where the
    training is too short for trials, or breaks at every rate.

    The student is left as it is. The same seed gives the same rate. `on_trial` gets each rate
    before its trial.
    """
    show = on_trial or (lambda _: None)
    own = replace(given.recipe, learning_rate=None)
    default = optimize.learning_rate(own)
    steps = _steps(replace(given, recipe=own), processes)
    if steps < _FEWEST:
        return RateTest(rate=default, steps=0, losses=())
    rates = [default * factor for factor in FACTORS]
    higher = [default * factor for factor in HIGHER]

    def climbed(losses: RateLosses, steps: int) -> RateLosses:
        """Further trials while the highest rate lost least."""
        while higher and losses and _lowest(losses, default) == losses[-1][0]:
            losses += _losses(given, [higher.pop(0)], steps, processes, show)
        return losses

    losses = climbed(_losses(given, rates, steps, processes, show), steps)
    best = _lowest(losses, default)
    rising = [rate for rate, loss in losses if rate >= best and loss is not None]
    longer: RateLosses = ()
    for rate in rising if len(rising) > 1 else ():
        longer += _losses(given, [rate], _LONGER * steps, processes, show)
        best = _highest(longer, best)
        if best != rate:
            break
    if longer and longer[-1][0] == losses[-1][0]:
        longer = climbed(longer, _LONGER * steps)
    return RateTest(
        rate=_highest(longer, best), steps=steps, losses=losses, longer=longer
    )


def _highest(losses: RateLosses, default: float) -> float:
    """The highest rate that lost about as little as the best."""
    finite = [(rate, loss) for rate, loss in losses if loss is not None]
    least = min((loss for _, loss in finite), default=0.0)
    alike = [rate for rate, loss in finite if loss <= _ALIKE * least]
    return max(alike, default=default)


def _lowest(losses: RateLosses, default: float) -> float:
    finite = [(loss, rate) for rate, loss in losses if loss is not None]
    return min(finite)[1] if finite else default


def _steps(given: DistillationTask, processes: Processes) -> int:
    """Steps of a short trial; a longer one is within an epoch too, where it can be."""
    epoch = _trainer(given, processes).steps
    processes.forget()
    return min(int(_PART * epoch * given.recipe.epochs + 1e-9), epoch, _MOST)


def _losses(
    given: DistillationTask,
    rates: Sequence[float],
    steps: int,
    processes: Processes,
    show: Callable[[float], None],
) -> RateLosses:
    short, found = _shortened(given, steps), []
    for rate in rates:
        show(rate)
        found.append((rate, _loss(short, rate, processes)))
    return tuple(found)


def _shortened(given: DistillationTask, steps: int) -> DistillationTask:
    """As many epochs of equal length as make so many steps, on samples drawn by the seed."""
    count = steps * optimize.batch_size(given.recipe, given.task.kind)
    epochs = math.ceil(count / len(given.train))
    order = np.random.default_rng(given.seed).permutation(len(given.train))
    train = given.train.subset(np.sort(order[: count // epochs]))
    recipe = replace(given.recipe, epochs=epochs, ema=None)
    return replace(given, recipe=recipe, train=train, outputs_folder=None)


def _loss(given: DistillationTask, rate: float, processes: Processes) -> float | None:
    """The loss after a trial at this rate; `None` where it is not finite."""
    recipe = replace(given.recipe, learning_rate=rate)
    trainer = _trainer(replace(given, recipe=recipe), processes)
    try:
        for epoch in range(1, recipe.epochs + 1):
            trainer.place = TrainingState(epoch=epoch)
            trainer.begin()
            for _ in range(trainer.steps):
                trainer.step()
                trainer.optimizer_step()
        found = trainer.loss_on(_validation(given, trainer), _judging(given))
    except TrainingError:
        return None
    finally:
        trainer.stop_reading()
        processes.forget()
    return found if math.isfinite(found) else None


def _judging(given: DistillationTask) -> int:
    """Validation samples that a loss is taken of, whole batches where there are any."""
    size = optimize.batch_size(given.recipe, given.task.kind)
    whole = min(_BATCHES, len(given.validation) // size)
    return whole * size or len(given.validation)


def _trainer(given: DistillationTask, processes: Processes) -> Trainer:
    torch.manual_seed(given.seed)
    return Trainer(replace(given, student=given.student.copy()), processes)


def _validation(given: DistillationTask, trainer: Trainer) -> TrainSampler:
    dtypes = given.student.dtypes
    return TrainSampler(given.validation, trainer.recipe, dtypes, given.seed)
