"""The loss of accuracy with its uncertainty: both networks answered the same samples.

Samples that both get right, or both wrong, drop out of the difference: the interval is of
McNemar's discordant ones with half a sample added to each kind (Agresti and Min, 2005,
doi:10.1002/sim.1781) where each sample is right or wrong, else a bootstrap over samples.
"""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import DataError
from edgekit.tasks.scores import Metric
from edgekit.types import Evaluation, PairedLoss
from edgekit.types.notes import IntervalMissing

Outputs = NDArray[np.float32]
Targets = NDArray[Any]
_RESAMPLES, _FEWEST = 200, 20
_LIMIT_S = 5.0
"""Seconds at most for either."""


def paired_loss(
    before: Outputs,
    after: Outputs,
    targets: Targets,
    metric: Metric,
    *,
    relative: bool,
    seed: int = 0,
) -> PairedLoss | IntervalMissing | None:
    """The loss from outputs `before` to `after` (n, ...) and its standard error, both in the unit
    of `Evaluation.drop`; else what the metric lacks, `None` where there are too few samples."""
    reference, found = metric(before, targets), metric(after, targets)
    drop = reference.drop(found, relative=relative)
    if len(before) < 2 or not math.isfinite(drop):
        return None
    pairs = _pairs(before, after, targets, metric, reference) if found.counted else None
    if pairs is not None:
        first, second = pairs
        return _mcnemar(reference, first, second, drop, relative=relative)
    return _bootstrap((before, after, targets), metric, drop, relative, seed)


def _pairs(
    before: Outputs,
    after: Outputs,
    targets: Targets,
    metric: Metric,
    whole: Evaluation,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]] | None:
    """Right answers of each network by known sample; `None` where samples are not right or
    wrong by themselves (several pixels or tokens each, or judged by others), by `whole`, the
    metric of all of `before`."""
    right: list[tuple[bool, bool]] = []
    started = time.monotonic()
    for number in range(len(before)):
        one = slice(number, number + 1)
        try:
            pair = [metric(outputs[one], targets[one]) for outputs in (before, after)]
        except DataError:  # nothing is known of this sample
            continue
        late = time.monotonic() - started > _LIMIT_S
        if late or any(evaluation.counted != 1 for evaluation in pair):
            return None
        right.append((pair[0].correct == 1, pair[1].correct == 1))
    if len(right) != whole.counted or sum(one for one, _ in right) != whole.correct:
        return None
    found = np.array(right, dtype=np.bool_)
    return found[:, 0], found[:, 1]


def _mcnemar(
    reference: Evaluation,
    before: NDArray[np.bool_],
    after: NDArray[np.bool_],
    drop: float,
    *,
    relative: bool,
) -> PairedLoss:
    count = len(before)
    lost = int((before & ~after).sum()) + 0.5
    gained = int((~before & after).sum()) + 0.5
    error = math.sqrt(lost + gained - (lost - gained) ** 2 / count) / count
    if relative:
        error /= max(abs(reference.value), 1e-12)
    return PairedLoss(drop=drop, error=error, samples=count, method="mcnemar")


def _bootstrap(
    arrays: tuple[Outputs, Outputs, Targets],
    metric: Metric,
    drop: float,
    relative: bool,
    seed: int,
) -> PairedLoss | IntervalMissing:
    before, after, targets = arrays
    random, count = np.random.default_rng(seed), len(before)
    drops: list[float] = []
    started = time.monotonic()
    while len(drops) < _RESAMPLES and time.monotonic() - started < _LIMIT_S:
        drawn = random.integers(0, count, count)
        try:
            pair = [metric(o[drawn], targets[drawn]) for o in (before, after)]
        except Exception as failure:  # noqa: BLE001 - a metric of the user's, on a part
            said = f"{type(failure).__name__}: {failure}"
            return IntervalMissing(cause="metric_failed", detail=said)
        drops.append(pair[0].drop(pair[1], relative=relative))
    if len(drops) < _FEWEST:
        return IntervalMissing(cause="metric_slow")
    if not np.isfinite(drops).all():
        return IntervalMissing(cause="not_finite")
    error = float(np.std(drops, ddof=1))
    return PairedLoss(drop=drop, error=error, samples=count, method="bootstrap")
