"""Optimization of weights: the optimizer, its learning rate schedule, the moving
average."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from edgekit import tasks
from edgekit.types import DistillRecipe, TaskKind

MOMENTUM = 0.9
WARM_UP = 0.2
"""Fraction of the steps in which the one-cycle schedule climbs to its peak."""
_SHORT_WARM_UP = 0.05
ACTIVATIONS = 1 << 30
"""Bytes of activations of a part of a step: those of 64 images of 224 x 224 pixels are five times
as many in MobileNetV2."""
_PART = 16
"""Fewest samples of such a part."""
_BYTES = 4
_START, _END = 1 / 25, 1 / 250_000
"""Of the one-cycle schedule's peak."""
RATES = {"sgd": 0.01, "adamw": 1e-3}
"""Peak learning rates where the recipe names none."""


def learning_rate(recipe: DistillRecipe) -> float:
    """The recipe's learning rate, or the default of its optimizer; `auto` is found before."""
    given = recipe.learning_rate
    return RATES[recipe.optimizer] if given is None or given == "auto" else given


def batch_size(recipe: DistillRecipe, kind: TaskKind) -> int:
    """The recipe's samples of a step, or the default of its kind of task."""
    return recipe.batch_size or tasks.of(kind).batch_size


def parts(recipe: DistillRecipe, size: int, numbers: int) -> int:
    """The recipe's parts of a step of `size` samples in one process, or as many as memory asks for.

    `numbers` are those that all operators of the network give for one sample. Parts by memory
    depend on nothing of the machine, and have the samples that batch norm needs.
    """
    if recipe.accumulate is not None:
        return recipe.accumulate
    held = _BYTES * numbers * size
    return max(1, min(math.ceil(held / ACTIVATIONS), size // _PART))


def optimizer(module: nn.Module, recipe: DistillRecipe) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum, or AdamW; weights decay, biases and normalization do not."""
    parameters = list(module.parameters())
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if p.ndim > 1]},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    rate, decay = learning_rate(recipe), recipe.weight_decay
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=rate, weight_decay=decay)
    return torch.optim.SGD(
        groups, lr=rate, momentum=MOMENTUM, nesterov=True, weight_decay=decay
    )


def rate_at(step: int, steps: int, schedule: str) -> float:
    """The learning rate of a step, of `steps`, as a fraction of its peak.

    One-cycle (Smith and Topin, 2018, arXiv:1708.07120) climbs and falls by cosines; cosine
    (Loshchilov and Hutter, 2017, arXiv:1608.03983) climbs shortly, and falls to 0.
    """
    if schedule == "constant":
        return 1.0
    fraction = WARM_UP if schedule == "one-cycle" else _SHORT_WARM_UP
    peak = max(1.0, fraction * steps - 1)
    if step <= peak:
        return _between(_START, 1.0, step / peak)
    end = _END if schedule == "one-cycle" else 0.0
    return _between(1.0, end, (step - peak) / max(1.0, steps - 1 - peak))


def _between(start: float, end: float, fraction: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(fraction, 1.0))) / 2


class Average:
    """A moving average of a module's weights and buffers (Polyak and Juditsky, 1992).

    The decay is lower in the first steps, so that the untrained weights are soon forgotten.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.values = snapshot(module)

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Move the average towards the weights of `module`."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                self.values[name].lerp_(value, 1 - decay)
            else:
                self.values[name].copy_(value)


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    """A copy of the weights and buffers, each process's own part where they are spread."""
    return {name: value.clone() for name, value in module.state_dict().items()}
