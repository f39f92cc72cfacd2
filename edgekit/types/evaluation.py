"""Quality of a network, and distance to another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist
from typing import Literal

ROUNDING = 2.0**-22
"""By how much, as a fraction of it, a metric that counts nothing is rounded: many are computed in
float32, whose neighbors are 2**-23 apart."""
_SMALLEST = Fraction(1, 10**12)
_Z95 = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, kw_only=True)
class Parity:
    """Distance of an artifact's outputs from the student's on the same samples."""

    relative_error: float
    """`max |a - b| / max |b|` over all samples."""
    agreement: float | None
    """Fraction of equal decisions (arg max: a class, or one a pixel or token); `None` where the
    task has none."""
    samples: int
    explained: float | None = None
    """Fraction of the outputs' variance that is the network's own, where there are no decisions."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The value of a metric on samples."""

    metric: str
    value: float
    samples: int
    higher_is_better: bool = True
    is_fraction: bool = True
    """True where the metric goes from 0 to 1 and is shown in percent."""
    correct: int | None = None
    counted: int | None = None
    """Of a fraction of samples (or pixels, tokens): `value` is `correct / counted`."""

    @property
    def exact(self) -> Fraction:
        """The value without rounding: a ratio of counts where the metric has them."""
        if self.correct is None or not self.counted:
            return Fraction(self.value)
        return Fraction(self.correct, self.counted)

    @property
    def shown(self) -> str:
        """The value for display."""
        return shown(self.value, is_fraction=self.is_fraction)

    @property
    def score(self) -> Score:
        """The metric's value alone."""
        return Score(metric=self.metric, value=self.value, is_fraction=self.is_fraction)

    def drop(self, other: Evaluation, *, relative: bool) -> float:
        """By how much `other` is worse than this: in the metric's unit, or as a fraction of it.

        Counts are subtracted as such and rounded once, so that a loss of 10 samples of 1000 is
        the number that is written 0.01. Infinite where either value is not finite.
        """
        if not (math.isfinite(self.value) and math.isfinite(other.value)):
            return math.inf
        worse = self.exact - other.exact
        if not self.higher_is_better:
            worse = -worse
        return float(worse / max(abs(self.exact), _SMALLEST) if relative else worse)

    def worse_by(self, drop: float, *, relative: bool) -> float:
        """The value whose `drop` from this one is that large: the other way around."""
        lost = drop * abs(self.value) if relative else drop
        return self.value - lost if self.higher_is_better else self.value + lost

    def keeps(self, drop: float, limit: float, *, relative: bool) -> bool:
        """Return whether a `drop` that ended at this value is at most `limit`.

        To the sample where the metric counts samples, else up to `ROUNDING`.
        """
        rounding = 0.0
        if self.counted is None:
            rounding = ROUNDING * (1.0 if relative else abs(self.value))
        return math.isfinite(drop) and drop <= limit + rounding

    @property
    def noise(self) -> float:
        """One standard error of a fraction of so many samples, one sample at least; else 0."""
        if not self.is_fraction or not 0 <= self.value <= 1:
            return 0.0
        spread = math.sqrt(self.value * (1 - self.value) / self.samples)
        return max(spread, 1 / self.samples)

    def unit(self, *, relative: bool) -> LossUnit:
        """Unit of a loss of this metric."""
        return "%" if relative else "points" if self.is_fraction else "own"


@dataclass(frozen=True, kw_only=True)
class Score:
    """A metric's value."""

    metric: str
    value: float
    is_fraction: bool
    """True where the metric goes from 0 to 1 and is shown in percent."""

    @property
    def shown(self) -> str:
        """The value for display."""
        return shown(self.value, is_fraction=self.is_fraction)


@dataclass(frozen=True, kw_only=True)
class PairedLoss:
    """A loss between two networks that answered the same samples, with its standard error."""

    drop: float
    error: float
    samples: int
    method: Literal["mcnemar", "bootstrap"]

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the loss."""
        reach = _Z95 * self.error
        return self.drop - reach, self.drop + reach

    def bounds(self, confidence: float) -> tuple[float, float]:
        """One-sided bounds: the loss is above the first, and below the second, with this
        confidence each."""
        reach = NormalDist().inv_cdf(confidence) * self.error
        return self.drop - reach, self.drop + reach

    def settling(self, limit: float, confidence: float) -> int | None:
        """Number of samples after which a loss like this one would surely be on one side of the
        `limit`; `None` where it lies on it."""
        away, reach = (
            abs(limit - self.drop),
            NormalDist().inv_cdf(confidence) * self.error,
        )
        if not away:
            return None
        return max(self.samples, math.ceil(self.samples * (reach / away) ** 2))


LossUnit = Literal["points", "%", "own"]
"""Hundredths of a metric from 0 to 1, hundredths of the unpruned network's value, or the metric's
own unit."""


def shown_loss(value: float, unit: LossUnit) -> str:
    """A loss of a metric, in its unit."""
    if unit == "own":
        return f"{value:.4g}"
    return f"{100 * value:.2f} {unit}"


def shown(value: float, *, is_fraction: bool) -> str:
    """A metric's value for display: in percent, or to four digits."""
    return f"{value:.2%}" if is_fraction else f"{value:.4g}"
