"""A learning rate by trial: a few rates, a few steps each, and the loss on validation samples.

After the range test of Smith, 2017, arXiv:1506.01186, which raises the rate from step to step; here
every rate begins with the same student and takes the same batches, so that losses compare. A few
steps favor rates that are too small for many (Wu et al., "Understanding Short-Horizon Bias in
Stochastic Meta-Optimization", 2018, arXiv:1803.02021), so the next one above the lowest loss is
taken.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from edgekit.distill import optimize
from edgekit.distill.processes import Processes
from edgekit.distill.sampler import TrainSampler
from edgekit.distill.tasks import DistillationTask
from edgekit.distill.trainer import Trainer
from edgekit.errors import TrainingError
from edgekit.types import RateTest

FACTORS = (0.1, 0.3, 1.0, 3.0, 10.0)
"""Rates that are tried, of the default of the recipe's optimizer."""
_PART = 0.05
"""Most steps of all trials, of those of the training."""
_FEWEST, _MOST = 5, 50
"""Steps of one trial: momentum needs some, and more show nothing new."""
_BATCHES = 4
"""Batches of validation samples that a loss is taken of."""


def tested(given: DistillationTask, processes: Processes) -> RateTest:
    """The rate above the one with the lowest loss, unless training breaks at it; the default where
    the training is too short for trials.

    The student is left as it is. The same seed gives the same rate.
    """
    own = replace(given.recipe, learning_rate=None)
    default = optimize.learning_rate(own)
    steps = _steps(replace(given, recipe=own), processes)
    if steps < _FEWEST:
        return RateTest(rate=default, steps=0, losses=())
    rates = [default * factor for factor in FACTORS]
    losses = tuple((rate, _loss(given, rate, steps, processes)) for rate in rates)
    finite = [(loss, rate) for rate, loss in losses if loss is not None]
    above = [rate for _, rate in finite if rate > min(finite)[1]]
    lowest = min(finite)[1] if finite else default
    return RateTest(rate=min(above, default=lowest), steps=steps, losses=losses)


def _steps(given: DistillationTask, processes: Processes) -> int:
    """Steps of one trial, within an epoch."""
    epoch = _trainer(given, processes).steps
    processes.forget()
    allowed = _PART * epoch * given.recipe.epochs / len(FACTORS)
    return min(int(allowed + 1e-9), epoch, _MOST)


def _loss(
    given: DistillationTask, rate: float, steps: int, processes: Processes
) -> float | None:
    """The loss after some steps at a constant rate; `None` where it is not finite."""
    recipe = replace(given.recipe, learning_rate=rate, schedule="constant", ema=None)
    trainer = _trainer(replace(given, recipe=recipe), processes)
    trainer.begin()
    try:
        for _ in range(steps):
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
