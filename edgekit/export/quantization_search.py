"""The search for an int8 file that loses little enough, the cheapest change first.

The plain configuration is kept where it holds. Otherwise ranges are taken in other ways; then the
layers that hurt most, by how far each one alone in int8 moves the outputs on the runtime, stay in
float, as few as it takes. Time decides nothing, so that the same network and samples give the same
file, but in a mixture of float and int8: there layers stay in float where that costs least.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgekit.errors import ArtifactError
from edgekit.export.mixing import Mixture
from edgekit.export.quantization_accuracy import QuantizationAccuracy
from edgekit.types import (
    Precision,
    QuantConfig,
    QuantResult,
    QuantTrial,
    RangeMethod,
    holds,
)

GROUPS, _FEWEST_GROUPS = 48, 8
"""Layers are taken together by their neighbors, so that at most this many are tried alone; in a
file of more bytes than `_QUICK`, proportionally fewer: each is a file to be written and run."""
_QUICK = 128 << 20
"""Of weights in fp32 (a ResNet-50 has 98 MiB). A BERT-base has 418, and NNCF writes it in 15 s."""
MOST = 0.5
"""Largest fraction of the layers in float: with more the file does not count as int8."""

_PRICES_US, _PRICE_STEPS = (0.1, 2.0), 24
"""The least price of the worst layer's damage, and the ratio of each of the prices to the one
before it: from less than any operator takes to a second."""

_FEW = 8
"""Calibration samples of files that only rank layers, where a file has more bytes than `_QUICK`:
runs over the samples are half of their time."""

Write = Callable[[QuantConfig, Path], None]
"""Writes the network by a configuration; raises `ArtifactError` where the library cannot."""


@dataclass(kw_only=True)
class Search:
    """Files of one network in one precision, by configuration, and what each lost."""

    write: Write
    accuracy: QuantizationAccuracy
    layers: Callable[[], tuple[str, ...]]
    place: Path
    suffix: str
    write_to_rank: Write | None = None
    """The same for files that only rank layers, by fewer samples; `None` is `write`."""
    groups: int = GROUPS
    """In how many groups layers are tried alone."""
    mixture: Mixture | None = None
    """Costs of the operators in float and in int8, where they were timed."""
    _tried: dict[QuantConfig, QuantTrial] = field(default_factory=dict)
    _files: dict[QuantConfig, Path] = field(default_factory=dict)

    @property
    def trials(self) -> tuple[QuantTrial, ...]:
        """The trials in their order."""
        return tuple(self._tried.values())

    def file(self, quant_config: QuantConfig) -> Path:
        """The file by `quant_config`, written unless it is there; raises `ArtifactError`."""
        if quant_config not in self._files:
            path = self.place / f"trial-{len(self._files)}{self.suffix}"
            self.write(quant_config, path)
            self._files[quant_config] = path
        return self._files[quant_config]

    def attempt(self, quant_config: QuantConfig) -> QuantTrial:
        """Loss of the file by `quant_config`, or the reason why there is none."""
        if quant_config not in self._tried:
            try:
                drop, error = self.accuracy.accuracy_drop(self.file(quant_config))
                trial = QuantTrial(
                    quant_config=quant_config, accuracy_drop=drop, error=error
                )
                if not math.isfinite(error):
                    raise ArtifactError("its outputs are not finite")
            except ArtifactError as failure:
                trial = QuantTrial(
                    quant_config=quant_config,
                    accuracy_drop=None,
                    error=None,
                    failure=str(failure),
                )
            self._tried[quant_config] = trial
        return self._tried[quant_config]

    def holds(self, trial: QuantTrial) -> bool:
        """Return whether the trial loses no more than allowed."""
        allowed = self.accuracy.validation.allowed
        return trial.accuracy_drop is not None and holds(trial.accuracy_drop, allowed)

    def best(self) -> QuantTrial:
        """The least loss, and the least error of equals."""
        return min(self.trials, key=_loss)


def groups_of(size: int) -> int:
    """In how many groups the layers of a file of `size` bytes in fp32 are tried alone."""
    return max(_FEWEST_GROUPS, min(GROUPS, GROUPS * _QUICK // max(1, size)))


def samples_to_rank(size: int) -> int | None:
    """The calibration samples of files that only rank layers; `None` where all are taken."""
    return _FEW if size > _QUICK else None


def search(
    work: Search,
    first: QuantConfig,
    ranges: Sequence[RangeMethod],
    precision: Precision,
) -> QuantResult:
    """The configuration that holds, or loses least; its file is `work.file(found.quant_config)`.

    `ranges` are the ways to take ranges that the format has. Raises `ArtifactError` where not even
    the first configuration gives a file.
    """
    if precision in ("int8", "int16x8"):
        features = work.accuracy.validation.folding.makes_features
        tail = work.accuracy.units_apart
        first = replace(first, float_front=features, float_tail=tail)
    plain = work.attempt(first)
    if plain.failure is not None:
        raise ArtifactError(plain.failure)
    if work.holds(plain) or not work.accuracy.validation.recover:
        return _found(work, plain)
    if precision in ("int8", "int16x8"):
        for method in ranges:
            if work.holds(work.attempt(replace(first, ranges=method))):
                break
    best = work.best()
    if not work.holds(best):
        spare = _keep_layers if work.mixture is None else _price_damage
        best = spare(work, best)
    return _found(work, best)


def _keep_layers(work: Search, start: QuantTrial) -> QuantTrial:
    """As few layers in float as make `start` hold, worst first; the best trial where none do."""
    errors = _errors(work, start.quant_config)
    ranked = sorted(errors, key=lambda group: -errors[group])
    limit = math.floor(MOST * len(ranked))

    def keeping(count: int) -> QuantTrial:
        kept = tuple(layer for group in ranked[:count] for layer in group)
        return work.attempt(replace(start.quant_config, float_layers=kept))

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


def _price_damage(work: Search, start: QuantTrial) -> QuantTrial:
    """The fastest mixture that holds, each layer's damage in int8 at a price in microseconds; the
    best trial where none holds.

    The least price that holds is found by bisection: a higher one leaves no fewer layers in
    float, and a mixture at any price is the fastest of those that do as little damage.
    """
    mixture, layers = work.mixture, work.layers()
    if mixture is None:
        raise ValueError("There are no operators' costs to weigh damage against.")
    errors = _errors(work, start.quant_config)
    worst = max(errors.values(), default=0.0) or 1.0
    damages = {g: error / worst / len(g) for g, error in errors.items()}

    def at(step: int) -> QuantConfig:
        price = _PRICES_US[0] * _PRICES_US[1] ** step
        damage = {name: price * each for g, each in damages.items() for name in g}
        return replace(start.quant_config, float_operators=mixture.in_float(damage))

    in_int8 = {*layers} - {*start.quant_config.float_operators}

    def few(step: int) -> bool:
        return len(in_int8 & {*at(step).float_operators}) <= MOST * len(in_int8)

    steps = range(_PRICE_STEPS)
    allowed = [step for step in steps if few(step)]
    if not allowed or not work.holds(work.attempt(at(allowed[-1]))):
        return work.best()
    place = bisect.bisect_left(
        allowed, True, key=lambda step: work.holds(work.attempt(at(step)))
    )
    return work.attempt(at(allowed[place]))


def _errors(work: Search, quant_config: QuantConfig) -> dict[tuple[str, ...], float]:
    """The error of the outputs with each group of layers alone in int8.

    Alone in int8, not alone in float: a tensor between two layers stays in int8 while either of
    them does, so that neither alone would seem to matter.
    """
    layers = work.layers()
    size = math.ceil(len(layers) / work.groups)
    groups = [layers[i : i + size] for i in range(0, len(layers), size or 1)]

    def error(group: tuple[str, ...]) -> float:
        scratch = work.place / f"sense{work.suffix}"
        others = tuple(layer for layer in layers if layer not in group)
        try:
            write = work.write_to_rank or work.write
            write(replace(quant_config, float_layers=others), scratch)
            return work.accuracy.error(scratch, least=write is not work.write)
        except ArtifactError:
            return 0.0  # a file that the library or the runtime refuses is inconclusive

    return {group: error(group) for group in groups}


def _loss(trial: QuantTrial) -> tuple[float, float]:
    drop = math.inf if trial.accuracy_drop is None else trial.accuracy_drop
    return drop, math.inf if trial.error is None else trial.error


def _found(work: Search, best: QuantTrial) -> QuantResult:
    return QuantResult(
        quant_config=best.quant_config,
        accuracy_drop=best.accuracy_drop,
        allowed=work.accuracy.validation.allowed,
        metric=work.accuracy.metric,
        samples=len(work.accuracy.validation),
        trials=work.trials,
    )
