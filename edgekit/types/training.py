"""Record of a student's training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from edgekit.types.evaluation import (
    Score,
    shown,
)


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One epoch: its mean loss, validation metric and duration in seconds."""

    number: int
    loss: float
    validation: float
    seconds: float
    is_fraction: bool = True
    """True where `validation` goes from 0 to 1 and is shown in percent."""

    @property
    def shown(self) -> str:
        """The validation metric for display."""
        return shown(self.validation, is_fraction=self.is_fraction)

    def score(self, metric: str) -> Score:
        """The validation metric of this epoch, by its name."""
        return Score(metric=metric, value=self.validation, is_fraction=self.is_fraction)


RateLosses: TypeAlias = tuple[tuple[float, float | None], ...]
"""Rates, each with its loss, which is `None` where it was not finite."""


@dataclass(frozen=True, kw_only=True)
class RateTest:
    """The learning rate that trials found, and the validation loss of each rate after `steps`."""

    rate: float
    steps: int
    """0 where the training is too short for trials, and the rate is the default."""
    losses: RateLosses
    longer: RateLosses = ()
    """Of the best and those above it, after more steps, until one was a fifth worse."""


@dataclass(frozen=True, kw_only=True)
class Link:
    """One network of a chain: its teacher, and its gain on validation samples."""

    name: str
    teacher: str
    metric: str
    before: float
    after: float
    is_fraction: bool
    parameters: int
    epoch: int

    @property
    def before_shown(self) -> str:
        """The metric before training, for display."""
        return shown(self.before, is_fraction=self.is_fraction)

    @property
    def after_shown(self) -> str:
        """The metric after training, for display."""
        return shown(self.after, is_fraction=self.is_fraction)
