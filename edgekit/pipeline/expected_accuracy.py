"""Accuracy that a plan's network is expected to have after training, with an 80 % band.

The loss after training is taken to be a power of a loss before it (nats a sample), times a slope
that differs from network to network. The loss before is what was measured of the refitted network
where there is one, else what its cuts lost alone, added up. Slopes are log-normal: a stated
prior, then what trained networks of this and earlier builds had (a hierarchical normal model;
Gelman et al., "Bayesian Data Analysis", 2013, chapter 5). Plans of one network whose losses before
are alike have slopes alike (a Gaussian process of the logarithm of that loss; Rasmussen and
Williams, 2006, chapter 2). The record of trained networks lies in the store.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np

from edgekit.store import Store, key
from edgekit.types import AccuracyOutlook, AccuracyUnknown, Evaluation, ExpectedAccuracy
from edgekit.types.evaluation import LossUnit

COVERAGE = 0.8
_Z = NormalDist().inv_cdf((1 + COVERAGE) / 2)
_STAGE, _FILE = "trained-outcomes-3", "outcome.json"
EXPONENT = 0.78
"""Of the expected loss increase in the loss after training, which makes up for more of a small
one."""


@dataclass(frozen=True, kw_only=True)
class Law:
    """The loss after training by one before it, as it is known before any network was trained.

    Slopes are losses of accuracy for a nat; the rest are standard deviations of their logarithm.
    """

    exponent: float
    slope: float
    between: float
    """Between networks."""
    within: float
    """Between plans of one."""


ALONE = Law(exponent=EXPONENT, slope=0.06, between=math.log(2.5), within=math.log(1.5))
"""Of the expected loss increase: what cuts lose alone, added up. Eight trained networks had 0.02 to
0.16."""
REFITTED = Law(exponent=0.7, slope=0.06, between=math.log(2), within=math.log(1.5))
"""Of the measured loss of a refitted network, which is a third of the other or more than it. Those
of three networks had 0.04, 0.09 and 0.10, a fourth lost less than could be seen."""
_PRIOR_COUNT = 2.0
"""Number of networks that the prior counts as."""
_REACH = math.log(1.25)
"""Distance of two plans of a network, in logarithms of their losses before training, by which the
correlation of their slopes falls to 1/e."""
_REPEATED = 0.2
"""Fraction of the variance between plans of one network that the same plan has, too."""
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
    refitted: float | None = None
    """The measured loss of the refitted network, where one was measured."""

    def before(self, law: Law) -> float:
        """The loss before training that a law goes by; NaN where it is not known."""
        if law is ALONE:
            return self.damage
        return math.nan if self.refitted is None else self.refitted

    def log_before(self, law: Law) -> float:
        """Logarithm of the loss before training."""
        return math.log(max(self.before(law), _LEAST_DAMAGE))

    def log_slope(self, law: Law) -> float:
        """Logarithm of the loss for a nat; a loss that noise hides counts as the noise."""
        drop = max(self.drop, self.noise, _LEAST_DROP)
        return math.log(drop) - law.exponent * self.log_before(law)

    def informs(self, law: Law) -> bool:
        """Return whether there was a cut to lose by, and samples enough to detect a loss."""
        seen = self.drop > self.noise or self.noise <= _MOST_NOISE
        return self.before(law) > _LEAST_DAMAGE and seen


@dataclass(frozen=True, kw_only=True)
class Slope:
    """The slope of one network: a normal law of its logarithm."""

    center: float
    spread: float
    exponent: float

    def drop(self, damage: float, z: float) -> float:
        """The loss at a quantile of the law, `z` in standard deviations."""
        return float(damage**self.exponent) * math.exp(self.center + z * self.spread)


def slope_of(
    outcomes: Sequence[TrainedOutcome], family: str, law: Law, damage: float
) -> Slope:
    """The slope of a network's plan with this loss before training: that of all networks, drawn
    to its own trained plans, the more the more alike they are."""
    slopes: dict[str, list[float]] = {}
    for one in outcomes:
        slopes.setdefault(one.family, []).append(one.log_slope(law))
    means = {name: statistics.fmean(each) for name, each in slopes.items()}
    count = _PRIOR_COUNT + len(means)
    prior = math.log(law.slope)
    center = (_PRIOR_COUNT * prior + sum(means.values())) / count
    apart = sum((mean - center) ** 2 for mean in means.values())
    between = (_PRIOR_COUNT * law.between**2 + apart) / count
    scattered = sum((s - means[name]) ** 2 for name in slopes for s in slopes[name])
    degrees = _PRIOR_COUNT + len(outcomes) - len(means)
    within = (_PRIOR_COUNT * law.within**2 + scattered) / degrees
    own = np.array([o.log_before(law) for o in outcomes if o.family == family])
    apart_from_own = np.array(slopes.get(family, [])) - center

    def covariance(distance: np.ndarray) -> np.ndarray:
        alike = (1 - _REPEATED) * np.exp(-np.abs(distance) / _REACH)
        return np.asarray(between + within * alike)

    among = covariance(own[:, None] - own) + _REPEATED * within * np.eye(len(own))
    toward = covariance(own - math.log(max(damage, _LEAST_DAMAGE)))
    weights = np.linalg.solve(among, toward)
    return Slope(
        center=center + float(weights @ apart_from_own),
        spread=math.sqrt(between + within - float(weights @ toward)),
        exponent=law.exponent,
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

    def expected(
        self, damage: float | None, law: Law
    ) -> ExpectedAccuracy | AccuracyUnknown:
        """The metric after training, of a plan with this loss before it."""
        if self.unit == "own":
            return AccuracyUnknown(reason="metric_without_scale")
        if damage is None or not math.isfinite(damage):
            return AccuracyUnknown(reason="damage_not_measured")
        alike = self._alike(law)
        least, middle, most = self._drops(damage, law)
        edges = self._metric(least), self._metric(most)
        return ExpectedAccuracy(
            metric=self.reference.metric,
            is_fraction=self.reference.is_fraction,
            expected=self._metric(middle),
            low=min(edges),
            high=max(edges),
            trained=len(alike),
            own=sum(one.family == self.family for one in alike),
        )

    def out_of_reach(self, damage: float | None, law: Law, allowed: float) -> bool:
        """Return whether a plan loses more than `allowed` all over the band: one network in ten
        of such a damage would keep it, were the law right."""
        if self.unit == "own" or damage is None or not math.isfinite(damage):
            return False
        return self.lost + self._drops(damage, law)[0] > allowed

    def _drops(self, damage: float, law: Law) -> tuple[float, float, float]:
        """The loss by the law at the band's edges and in its middle. The edges are as far from it
        as the law's and the noise's together, which are independent."""
        damage += self.before
        slope = slope_of(self._alike(law), self.family, law, damage)
        least, middle, most = (slope.drop(damage, z) for z in (-_Z, 0.0, _Z))
        reach = _Z * self.reference.noise
        return (
            middle - math.hypot(middle - least, reach),
            middle,
            middle + math.hypot(most - middle, reach),
        )

    def _alike(self, law: Law) -> list[TrainedOutcome]:
        return [o for o in self.outcomes if o.unit == self.unit and o.informs(law)]

    def outlook(
        self, damage: float | None, law: Law, outcome: float | None = None
    ) -> AccuracyOutlook:
        """The accuracy expected of a plan, beside its outcome."""
        found = self.expected(damage, law)
        if isinstance(found, AccuracyUnknown):
            return AccuracyOutlook(expected=None, unknown=found, outcome=outcome)
        return AccuracyOutlook(expected=found, outcome=outcome)

    def _metric(self, drop: float) -> float:
        value = self.reference.worse_by(self.lost + drop, relative=self.relative)
        return min(1.0, max(0.0, value)) if self.reference.is_fraction else value

    def outcome(
        self, damage: float, evaluation: Evaluation, refitted: float | None = None
    ) -> TrainedOutcome:
        """The record of a trained network, by what its cuts lose alone and what was measured of
        the refitted network."""
        drop = self.reference.drop(evaluation, relative=self.relative)
        return TrainedOutcome(
            family=self.family,
            unit=self.unit,
            damage=damage + self.before,
            drop=drop - self.lost,
            noise=evaluation.noise,
            refitted=None if refitted is None else refitted + self.before,
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
