"""The search for an int8 file that loses little enough, the cheapest change first.

The plain scheme is kept where it holds. Otherwise ranges are taken in other ways; then the layers
that hurt most, by how far each one alone in int8 moves the outputs on the runtime, stay in float,
as few as it takes. Nothing is decided by time: the same network and samples give the same file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgekit.errors import ArtifactError
from edgekit.export.quantization_accuracy import QuantizationAccuracy
from edgekit.types import (
    Precision,
    QuantConfig,
    QuantResult,
    QuantTrial,
    RangeMethod,
    holds,
)

GROUPS = 48
"""Layers are taken together by their neighbors, so that at most this many are tried alone."""
GLANCE = 256
"""Samples that the layers are ranked by."""
MOST = 0.5
"""Largest fraction of the layers in float: with more the file does not count as int8."""

Write = Callable[[QuantConfig, Path], None]
"""Writes the network by a scheme; raises `ArtifactError` where the library cannot."""


@dataclass(kw_only=True)
class Search:
    """Files of one network in one precision, by scheme, and what each lost."""

    write: Write
    judge: QuantizationAccuracy
    layers: Callable[[], tuple[str, ...]]
    place: Path
    suffix: str
    _tried: dict[QuantConfig, QuantTrial] = field(default_factory=dict)
    _files: dict[QuantConfig, Path] = field(default_factory=dict)

    @property
    def trials(self) -> tuple[QuantTrial, ...]:
        """The trials in their order."""
        return tuple(self._tried.values())

    def file(self, scheme: QuantConfig) -> Path:
        """The file by `scheme`, written unless it is there; raises `ArtifactError`."""
        if scheme not in self._files:
            path = self.place / f"trial-{len(self._files)}{self.suffix}"
            self.write(scheme, path)
            self._files[scheme] = path
        return self._files[scheme]

    def attempt(self, scheme: QuantConfig) -> QuantTrial:
        """Loss of the file by `scheme`, or the reason why there is none."""
        if scheme not in self._tried:
            try:
                lost, error = self.judge.lost(self.file(scheme))
                trial = QuantTrial(scheme=scheme, lost=lost, error=error)
                if not math.isfinite(error):
                    raise ArtifactError("its outputs are not finite")
            except ArtifactError as failure:
                trial = QuantTrial(
                    scheme=scheme, lost=None, error=None, failure=str(failure)
                )
            self._tried[scheme] = trial
        return self._tried[scheme]

    def holds(self, trial: QuantTrial) -> bool:
        """Return whether the trial loses no more than allowed."""
        allowed = self.judge.validation.allowed
        return trial.lost is not None and holds(trial.lost, allowed)

    def best(self) -> QuantTrial:
        """The least loss, and the least error of equals."""
        return min(self.trials, key=_loss)


def search(
    work: Search,
    first: QuantConfig,
    ranges: Sequence[RangeMethod],
    precision: Precision,
) -> QuantResult:
    """The scheme that holds, or that loses least; its file is `work.file(found.scheme)`.

    `ranges` are the ways to take ranges that the format has. Raises `ArtifactError` where not even
    the first scheme gives a file.
    """
    plain = work.attempt(first)
    if plain.failure is not None:
        raise ArtifactError(plain.failure)
    if work.holds(plain) or not work.judge.validation.recover:
        return _found(work, plain)
    if precision in ("int8", "int16x8"):
        for method in ranges:
            if work.holds(work.attempt(replace(first, ranges=method))):
                break
    best = work.best()
    if not work.holds(best):
        best = _keep_layers(work, best)
    return _found(work, best)


def _keep_layers(work: Search, start: QuantTrial) -> QuantTrial:
    """As few layers in float as make `start` hold, worst first; the best trial where none do."""
    ranked = _ranked(work, start.scheme)
    limit = math.floor(MOST * len(ranked))

    def keeping(count: int) -> QuantTrial:
        kept = tuple(layer for group in ranked[:count] for layer in group)
        return work.attempt(replace(start.scheme, float_layers=kept))

    fails, holds = 0, 1
    while holds <= limit and not work.holds(keeping(holds)):
        fails, holds = holds, min(2 * holds, limit) if holds < limit else limit + 1
    if holds > limit:
        return work.best()
    while holds - fails > 1:
        middle = (fails + holds) // 2
        if work.holds(keeping(middle)):
            holds = middle
        else:
            fails = middle
    return keeping(holds)


def _ranked(work: Search, scheme: QuantConfig) -> list[tuple[str, ...]]:
    """Groups of layers, first the one that alone in int8 moves the outputs most.

    Alone in int8, not alone in float: a tensor between two layers stays in int8 while either of
    them does, so that neither alone would seem to matter.
    """
    layers = work.layers()
    size = math.ceil(len(layers) / GROUPS)
    groups = [layers[i : i + size] for i in range(0, len(layers), size or 1)]

    def error(group: tuple[str, ...]) -> float:
        scratch = work.place / f"sense{work.suffix}"
        others = tuple(layer for layer in layers if layer not in group)
        try:
            work.write(replace(scheme, float_layers=others), scratch)
            return work.judge.error(scratch, GLANCE)
        except ArtifactError:
            return 0.0  # a file that the library or the runtime refuses is inconclusive

    errors = {group: error(group) for group in groups}
    return sorted(groups, key=lambda group: -errors[group])


def _loss(trial: QuantTrial) -> tuple[float, float]:
    lost = math.inf if trial.lost is None else trial.lost
    return lost, math.inf if trial.error is None else trial.error


def _found(work: Search, best: QuantTrial) -> QuantResult:
    return QuantResult(
        scheme=best.scheme,
        lost=best.lost,
        allowed=work.judge.validation.allowed,
        metric=work.judge.metric,
        samples=len(work.judge.validation.inputs),
        trials=work.trials,
    )
