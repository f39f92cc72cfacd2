"""Accuracy that a plan's network is expected to have after training, with an 80 % band.

The loss after training is taken to be a power of the plan's expected loss increase (nats a sample,
untrained), times a slope that differs from network to network. Slopes are log-normal: a stated
prior, then what trained networks of this and earlier builds had (a hierarchical normal model;
Gelman et al., "Bayesian Data Analysis", 2013, chapter 5). Their record lies in the store.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import NormalDist

from edgekit.store import Store, key
from edgekit.types import AccuracyOutlook, AccuracyUnknown, Evaluation, ExpectedAccuracy
from edgekit.types.evaluation import LossUnit

COVERAGE = 0.8
_Z = NormalDist().inv_cdf((1 + COVERAGE) / 2)
_STAGE, _FILE = "trained-outcomes-1", "outcome.json"
EXPONENT = 0.78
"""Of a plan's loss increase in the loss after training, which makes up for more of a small one."""
_PRIOR_SLOPE = 0.04
"""Loss of accuracy for a nat, before any network was trained: four points."""
_PRIOR_BETWEEN, _PRIOR_WITHIN = math.log(3), math.log(1.5)
"""Standard deviations of the logarithm, between networks and between plans of one."""
_PRIOR_COUNT = 2.0
"""Number of networks that the prior counts as."""
_LEAST_DROP, _LEAST_DAMAGE = 1e-4, 1e-3
_MOST_NOISE = 0.02
"""Standard error of the metric above which a loss that it hides is not counted."""


@dataclass(frozen=True, kw_only=True)
class TrainedOutcome:
    """A trained network: what its plan was expected to lose untrained, and its loss."""

    family: str
    """Fingerprint of the unpruned network."""
    unit: LossUnit
    damage: float
    """The plan's expected loss increase."""
    drop: float
    """Of the metric on validation data, without what the precision alone loses."""
    noise: float
    """One standard error of the metric."""

    @property
    def log_slope(self) -> float:
        """Logarithm of the loss for a nat; a loss that noise hides counts as the noise."""
        drop = max(self.drop, self.noise, _LEAST_DROP)
        return math.log(drop) - EXPONENT * math.log(max(self.damage, _LEAST_DAMAGE))

    @property
    def informative(self) -> bool:
        """Return whether there was a cut to lose by, and samples enough to detect a loss."""
        seen = self.drop > self.noise or self.noise <= _MOST_NOISE
        return self.damage > _LEAST_DAMAGE and seen


@dataclass(frozen=True, kw_only=True)
class Slope:
    """The slope of one network: a normal law of its logarithm."""

    center: float
    spread: float

    def drop(self, damage: float, z: float) -> float:
        """The loss at a quantile of the law, `z` in standard deviations."""
        return float(damage**EXPONENT) * math.exp(self.center + z * self.spread)


def slope_of(outcomes: Sequence[TrainedOutcome], family: str) -> Slope:
    """The law for a network: that of all networks, drawn to its own trained ones."""
    slopes: dict[str, list[float]] = {}
    for one in outcomes:
        slopes.setdefault(one.family, []).append(one.log_slope)
    means = {name: statistics.fmean(each) for name, each in slopes.items()}
    count = _PRIOR_COUNT + len(means)
    prior = math.log(_PRIOR_SLOPE)
    center = (_PRIOR_COUNT * prior + sum(means.values())) / count
    apart = sum((mean - center) ** 2 for mean in means.values())
    between = (_PRIOR_COUNT * _PRIOR_BETWEEN**2 + apart) / count
    scattered = sum((s - means[name]) ** 2 for name in slopes for s in slopes[name])
    degrees = _PRIOR_COUNT + len(outcomes) - len(means)
    within = (_PRIOR_COUNT * _PRIOR_WITHIN**2 + scattered) / degrees
    own = slopes.get(family, [])
    precision = 1 / between + len(own) / within
    return Slope(
        center=(center / between + sum(own) / within) / precision,
        spread=math.sqrt(1 / precision + within),
    )


@dataclass(frozen=True, kw_only=True)
class Expectations:
    """Knowledge of one network before its plans are trained."""

    outcomes: tuple[TrainedOutcome, ...]
    """Of builds before this one, of every network."""
    family: str
    reference: Evaluation
    """Of the unpruned network in fp32."""
    relative: bool
    """True where losses are fractions of the reference's value."""
    lost: float = 0.0
    """By the precision alone, without any cut."""
    before: float = 0.0
    """Loss increase before any cut: by a smaller size of images."""

    @property
    def unit(self) -> LossUnit:
        """The unit of losses."""
        return self.reference.unit(relative=self.relative)

    def expected(self, damage: float | None) -> ExpectedAccuracy | AccuracyUnknown:
        """The metric after training, of a plan with this expected loss increase."""
        if self.unit == "own":
            return AccuracyUnknown(reason="metric_without_scale")
        if damage is None or not math.isfinite(damage):
            return AccuracyUnknown(reason="damage_not_measured")
        damage += self.before
        alike, slope = self._alike(), self._slope()
        reach = _Z * self.reference.noise
        middle, least, most = (slope.drop(damage, z) for z in (0.0, -_Z, _Z))
        edges = self._metric(least - reach), self._metric(most + reach)
        return ExpectedAccuracy(
            metric=self.reference.metric,
            is_fraction=self.reference.is_fraction,
            expected=self._metric(middle),
            low=min(edges),
            high=max(edges),
            trained=len(alike),
            own=sum(one.family == self.family for one in alike),
        )

    def out_of_reach(self, damage: float | None, allowed: float) -> bool:
        """Return whether a plan loses more than `allowed` all over the band: one network in ten
        of such a damage would keep it, were the law right."""
        if self.unit == "own" or damage is None or not math.isfinite(damage):
            return False
        damage += self.before
        least = self._slope().drop(damage, -_Z) - _Z * self.reference.noise
        return self.lost + least > allowed

    def _slope(self) -> Slope:
        return slope_of(self._alike(), self.family)

    def _alike(self) -> list[TrainedOutcome]:
        return [o for o in self.outcomes if o.unit == self.unit and o.informative]

    def outlook(
        self, damage: float | None, outcome: float | None = None
    ) -> AccuracyOutlook:
        """The accuracy expected of a plan, beside its outcome."""
        found = self.expected(damage)
        if isinstance(found, AccuracyUnknown):
            return AccuracyOutlook(expected=None, unknown=found, outcome=outcome)
        return AccuracyOutlook(expected=found, outcome=outcome)

    def _metric(self, drop: float) -> float:
        value = self.reference.worse_by(self.lost + drop, relative=self.relative)
        return min(1.0, max(0.0, value)) if self.reference.is_fraction else value

    def outcome(self, damage: float, evaluation: Evaluation) -> TrainedOutcome:
        """The record of a trained network."""
        drop = self.reference.drop(evaluation, relative=self.relative)
        return TrainedOutcome(
            family=self.family,
            unit=self.unit,
            damage=damage + self.before,
            drop=drop - self.lost,
            noise=evaluation.noise,
        )


def read_outcomes(store: Store) -> tuple[TrainedOutcome, ...]:
    """The trained networks of earlier builds, in the order of their names."""
    found = []
    for folder in store.entries(_STAGE):
        stored: Mapping[str, object] = json.loads((folder / _FILE).read_text("utf-8"))
        found.append(TrainedOutcome(**stored))  # type: ignore[arg-type]
    return tuple(found)


def keep_outcome(store: Store, outcome: TrainedOutcome) -> None:
    """Keep the record of a trained network; one that was kept before counts once."""
    text = json.dumps(asdict(outcome))

    def write(folder: Path) -> None:
        (folder / _FILE).write_text(text, encoding="utf-8")

    store.keep(_STAGE, key(text), write)
