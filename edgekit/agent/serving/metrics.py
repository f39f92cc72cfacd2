"""Counts and durations of a server in Prometheus' text format, in constant memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_S = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
)  # fmt: skip


class Metrics:
    """Counts since the start; every method may be called from any thread."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._labels = labels
        self._lock = threading.Lock()
        self._requests: dict[int, int] = {}
        self._buckets = [0] * (len(BUCKETS_S) + 1)
        self._sum_s = 0.0
        self._samples = 0
        self.in_flight = 0

    def answered(self, status: int) -> None:
        """Count one response with this status."""
        with self._lock:
            self._requests[status] = self._requests.get(status, 0) + 1

    def inferred(self, seconds: float, samples: int) -> None:
        """One inference request that was answered, with its number of samples."""
        place = sum(bound < seconds for bound in BUCKETS_S)
        with self._lock:
            self._buckets[place] += 1
            self._sum_s += seconds
            self._samples += samples

    def moved(self, change: int) -> None:
        """`change` more connections are open."""
        with self._lock:
            self.in_flight += change

    def text(self) -> str:
        """The counts in Prometheus' text format."""
        with self._lock:
            return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        labels = ",".join(f'{k}="{_escaped(v)}"' for k, v in self._labels.items())
        yield from _head("edgekit_model_info", "gauge", "The model that is served.")
        yield f"edgekit_model_info{{{labels}}} 1"
        yield from _head("edgekit_requests_total", "counter", "Answers by status.")
        for status, count in sorted(self._requests.items()):
            yield f'edgekit_requests_total{{status="{status}"}} {count}'
        yield from _head("edgekit_samples_total", "counter", "Samples inferred.")
        yield f"edgekit_samples_total {self._samples}"
        name = "edgekit_inference_seconds"
        yield from _head(name, "histogram", "Inference requests, tensors to tensors.")
        total = 0
        for bound, count in zip((*BUCKETS_S, "+Inf"), self._buckets):
            total += count
            yield f'{name}_bucket{{le="{bound}"}} {total}'
        yield f"{name}_sum {self._sum_s:.6f}"
        yield f"{name}_count {total}"
        yield from _head("edgekit_connections", "gauge", "Connections open now.")
        yield f"edgekit_connections {self.in_flight}"
        resident = resident_bytes()
        if resident is not None:
            name = "process_resident_memory_bytes"
            yield from _head(name, "gauge", "Resident memory of the server.")
            yield f"{name} {resident}"


def resident_bytes() -> int | None:
    """Resident memory of this process in bytes; None without /proc."""
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
    except OSError:
        return None
    return int(pages) * 4096


def _head(name: str, kind: str, help: str) -> Iterator[str]:
    yield f"# HELP {name} {help}"
    yield f"# TYPE {name} {kind}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
