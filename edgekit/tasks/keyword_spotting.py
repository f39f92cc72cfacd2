"""A keyword in a stretch of sound, or none: judged by how often it is missed where false accepts
are limited to so many an hour.

`[task] background` is the class without a keyword, `seconds` the length of a sample. With less than
an hour of background for each false accept that is allowed, none is: give much of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from edgekit.errors import DataError
from edgekit.tasks import TaskDefinition, classification
from edgekit.tasks.scores import Metric, Outputs, accuracy
from edgekit.tasks.targets import Array, Targets
from edgekit.types import Evaluation, TaskSpec

_HOUR_S = 3600.0
_ONE = 1e-3
"""Deviation of the sum of probabilities from 1."""


@dataclass(frozen=True, kw_only=True)
class AcceptLimit:
    """The class without a keyword, the length of a sample, and the limit of false accepts."""

    background: int = 0
    seconds: float = 1.0
    accepts: float = 1.0
    """False accepts an hour."""

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """By name; the first is the default."""
        return {
            "false-rejects": self.false_rejects,
            "false-accepts": self.false_accepts,
            "accuracy": accuracy,
        }

    def false_rejects(self, outputs: Outputs, targets: Targets) -> Evaluation:
        """Fraction of keywords that are missed or mistaken at the lowest threshold that keeps the
        limit of false accepts."""
        scores, likeliest = self._likeliest(outputs)
        nothing, something = self._parts(targets)
        allowed = int(self.accepts * self._hours(nothing) + 1e-9)
        loudest = np.sort(scores[nothing])[::-1]
        threshold = loudest[allowed] if allowed < len(loudest) else -np.inf
        right = (scores > threshold) & (likeliest == targets)
        many = "s" * (self.accepts != 1)
        return Evaluation(
            metric=f"false rejects at {self.accepts:g} false accept{many} an hour",
            value=float(1 - right[something].mean()),
            samples=len(targets),
            higher_is_better=False,
        )

    def false_accepts(self, outputs: Outputs, targets: Targets) -> Evaluation:
        """Keywords an hour that are found where there is none, by the likeliest class."""
        nothing, _ = self._parts(targets)
        wrong = outputs[nothing].argmax(1) != self.background
        return Evaluation(
            metric="false accepts an hour",
            value=float(wrong.sum() / self._hours(nothing)),
            samples=len(targets),
            higher_is_better=False,
            is_fraction=False,
        )

    def _hours(self, nothing: Array) -> float:
        return float(nothing.sum()) * self.seconds / _HOUR_S

    def _likeliest(self, outputs: Outputs) -> tuple[Array, Array]:
        """The likeliest keyword of each sample, and its probability."""
        if outputs.shape[1] <= max(1, self.background):
            raise DataError(
                f"[task] background = {self.background}, and the network has {outputs.shape[1]} "
                "outputs. Give the class without a keyword, beside at least one keyword."
            )
        chances = _probabilities(outputs)
        chances[:, self.background] = -1.0
        return chances.max(1), chances.argmax(1)

    def _parts(self, targets: Targets) -> tuple[Array, Array]:
        """Where there is no keyword and where there is one; unlabeled samples are in neither."""
        nothing = targets == self.background
        something = (targets >= 0) & ~nothing
        if not nothing.any() or not something.any():
            lacking = "without a keyword" if something.any() else "with a keyword"
            raise DataError(
                f"The evaluation data have no samples {lacking}: class {self.background} is the "
                "one without. Add some, or correct [task] background."
            )
        return nothing, something


def _probabilities(outputs: Outputs) -> Array:
    """Of logits or probabilities (n, classes), a copy."""
    given = outputs.astype(np.float64)
    if given.min(initial=0) >= 0 and np.abs(given.sum(1) - 1).max(initial=0) < _ONE:
        return given
    powers = np.exp(given - given.max(1, keepdims=True))
    found: Array = powers / powers.sum(1, keepdims=True)
    return found


def _of_spec(task: TaskSpec) -> TaskDefinition:
    how = AcceptLimit(
        background=task.background or 0,
        seconds=task.seconds,
        accepts=task.false_accepts,
    )
    return replace(RECORD, metrics=how.metrics)


RECORD = replace(classification.RECORD, metrics=AcceptLimit().metrics, by_spec=_of_spec)
