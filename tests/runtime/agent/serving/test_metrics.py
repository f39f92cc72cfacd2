"""Metrics of a server."""

from __future__ import annotations

from tests.runtime.agent.serving.test_server import (
    INFER,
    Served,
    metrics,
    request,
)


def test_metrics_count_what_happened(served: Served) -> None:
    before = metrics(served)
    for _ in range(3):
        served.ask(INFER, request([0] * 8, shape=(2, 4)))
    served.ask(INFER, b"{")
    now = metrics(served)
    more = {
        'edgekit_requests_total{status="400"}': 1,
        "edgekit_samples_total": 6,
        "edgekit_inference_seconds_count": 3,
        'edgekit_inference_seconds_bucket{le="+Inf"}': 3,
    }
    assert {name: now[name] - before.get(name, 0) for name in more} == more
    assert now["process_resident_memory_bytes"] > 1e6
