"""Successive halving on trained and measured networks, without waiting for whole generations.

A trial trains for a fraction of its epochs, and goes on with more where it lies in the better half
of all trials that came as far (asynchronous successive halving: Li et al., 2020, arXiv:1810.05934).
With two objectives the order is by how many points beat one in both (Fonseca and Fleming, 1993).
"""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.types.search import SearchPoint

FACTOR = 2
"""Of the epochs from one rung to the next."""


def rungs(epochs: int, count: int) -> tuple[int, ...]:
    """Epochs of at most `count` trainings of one trial, the last of them `epochs`."""
    steps = (epochs // FACTOR**power for power in reversed(range(count)))
    return tuple(dict.fromkeys(max(1, step) for step in steps))


def goes_on(point: SearchPoint, others: Sequence[SearchPoint]) -> bool:
    """Return whether a point is in the better half of those of its rung, itself among them."""
    rung = [*others, point]
    before = sum(_beaten(one, rung) < _beaten(point, rung) for one in others)
    return before < len(rung) / FACTOR


def at_rung(points: Sequence[SearchPoint], number: int) -> list[SearchPoint]:
    """The point of each trial after `number` shorter trainings; points lie in their order."""
    by_trial: dict[int, list[SearchPoint]] = {}
    for one in points:
        by_trial.setdefault(one.trial, []).append(one)
    return [each[number] for each in by_trial.values() if len(each) > number]


def frontier(points: Sequence[SearchPoint]) -> tuple[SearchPoint, ...]:
    """The points that no other beats in metric and latency, the fastest first."""
    best = (one for one in points if not _beaten(one, points))
    found: dict[tuple[float, float], SearchPoint] = {}
    for one in sorted(best, key=lambda one: (one.p50_ms, one.loss, one.epochs)):
        found.setdefault((one.p50_ms, one.loss), one)
    return tuple(found.values())


def _beaten(point: SearchPoint, points: Sequence[SearchPoint]) -> int:
    return sum(_beats(one, point) for one in points)


def _beats(one: SearchPoint, other: SearchPoint) -> bool:
    """Return whether it is as good in both, and better in one."""
    ours, theirs = (one.p50_ms, one.loss), (other.p50_ms, other.loss)
    as_good = all(a <= b for a, b in zip(ours, theirs, strict=True))
    return as_good and ours != theirs
