"""How good a network is, and how near to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Parity:
    """How far an artefact's outputs are from the student's on the same samples."""

    relative_error: float
    """`max |a - b| / max |b|` over all samples."""
    agreement: float | None
    """Share of equal decisions (arg max: a class, or one a pixel or token); `None` where the
    task has none."""
    samples: int
    explained: float | None = None
    """Share of the outputs' variance that is the network's own, where there are no decisions."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    metric: str
    value: float
    samples: int
    higher_is_better: bool = True
    share: bool = True
    """Whether the metric goes from 0 to 1 and is told in percent."""

    @property
    def shown(self) -> str:
        return shown(self.value, share=self.share)

    def drop(self, other: Evaluation, *, relative: bool) -> float:
        """By how much `other` is worse than this: in the metric's unit, or as a share of it."""
        worse = (
            self.value - other.value
            if self.higher_is_better
            else other.value - self.value
        )
        return worse / abs(self.value) if relative and worse else worse

    def unit(self, *, relative: bool) -> LossUnit:
        """What a loss of this metric is told in."""
        return "%" if relative else "points" if self.share else "own"


LossUnit = Literal["points", "%", "own"]
"""Hundredths of a metric from 0 to 1, hundredths of the unpruned network's value, or the metric's
own unit."""


def shown_loss(value: float, unit: LossUnit) -> str:
    """What was lost of a metric, in its unit."""
    if unit == "own":
        return f"{value:.4g}"
    return f"{100 * value:.2f} {unit}"


def shown(value: float, *, share: bool) -> str:
    """A metric's value as it is told: in percent, or to four digits."""
    return f"{value:.2%}" if share else f"{value:.4g}"
