"""Correct tables of single operators by whole networks that were measured.

A network takes a fraction of its time that no operator accounts for (being called, moving data
between operators), and its operators may cost more or less together than alone. The relation of
time to operators' cost, fitted to networks that were measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_LEAST_SLOPE = 0.05


@dataclass(frozen=True, kw_only=True)
class Overhead:
    """Time from operators' cost, both as fractions of the unpruned network's.

    Straight from one measured network to the next, the unpruned one (1, 1) first; past the last
    along the line on which it and the unpruned one lie.
    """

    networks: tuple[tuple[float, float], ...] = ()
    """(operators' cost, time) of each, by falling cost."""

    @property
    def fraction(self) -> float:
        """Of the unpruned network's time, what no operator accounts for; below 0 where
        networks gain more than their operators do."""
        return 1 - self._slope

    @property
    def _slope(self) -> float:
        if not self.networks:
            return 1.0
        cost, time = self.networks[-1]
        # No faster than the unpruned network: all is overhead, which plans nothing.
        return max(_LEAST_SLOPE, (1 - time) / max(1e-12, 1 - cost))

    def speedup(self, operators: float) -> float:
        """The network's speed-up where its operators cost this fraction."""
        for (above, slower), (below, faster) in pairwise(((1.0, 1.0), *self.networks)):
            if below <= operators <= above:
                time = _between(operators, (below, above), (faster, slower))
                return 1 / max(1e-9, time)
        return 1 / max(1e-9, 1 - self._slope * (1 - operators))

    def operators(self, speedup: float) -> float | None:
        """The fraction that operators may cost for a speed-up; `None` where none is small
        enough."""
        time = 1 / speedup
        for (above, slower), (below, faster) in pairwise(((1.0, 1.0), *self.networks)):
            if faster <= time <= slower:
                return _between(time, (faster, slower), (below, above))
        left = 1 - (1 - time) / self._slope
        return left if left > 0 else None


def fitted(measured: Sequence[tuple[float, float]]) -> Overhead:
    """From (operators' fraction of the cost by the table, measured speed-up) of each network."""
    networks = [
        (fraction, 1 / speedup) for fraction, speedup in measured if fraction < 1
    ]
    return Overhead(networks=tuple(sorted(networks, reverse=True)))


def _between(
    value: float, ends: tuple[float, float], images: tuple[float, float]
) -> float:
    """The image of a value on the straight line through two points."""
    (low, high), (first, last) = ends, images
    part = (value - low) / (high - low) if high > low else 0.0
    return first + part * (last - first)
