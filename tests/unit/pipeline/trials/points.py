"""Points of a search."""

from __future__ import annotations

from edgekit.types import Evaluation
from edgekit.types.search import SearchPoint
from tests.unit.bench.test_gate import measurement


def point(
    p50_ms: float, accuracy: float, *, trial: int = 0, epochs: int = 4
) -> SearchPoint:
    judged = Evaluation(metric="accuracy", value=accuracy, samples=100)
    return SearchPoint(
        trial=trial,
        settings=("budget.speedup=2",),
        epochs=epochs,
        artifact="litert-int8",
        validation=judged.score,
        evaluation=judged,
        p50_ms=p50_ms,
        measurement=measurement(device="local", provenance="host"),
        speedup=2.0,
        verdict="fits",
    )
