"""Records with figures that no measurement has never pass, and rubbish is opened by no gate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgekit.bench import history
from edgekit.errors import UsageError
from edgekit.types import REPORT_SCHEMA

RECORD: dict[str, Any] = {
    "schema": 2,
    "created": "2026-01-01T00:00:00+00:00",
    "tier": "quick",
    "artifact": {"name": "a", "sha256": "0", "size_bytes": 100, "slow_operators": None},
    "measurement": {
        "artifact": "a",
        "device": "local",
        "provenance": "host",
        "runtime": "litert",
        "runtime_version": "2",
        "threads": 1,
        "latency": {
            "p50_ms": 1.0,
            "p90_ms": 2.0,
            "p95_ms": None,
            "p99_ms": None,
            "samples": 30,
            "launches": 1,
            "launch_p50_ms": [1.0],
        },
        "load_ms": 1.0,
        "first_ms": 1.0,
        "peak_memory_mb": 5.0,
        "size_mb": 0.5,
        "energy": {},
    },
}


def changed(place: str, value: Any) -> str:
    document = json.loads(json.dumps(RECORD))
    *path, last = place.split(".")
    inner = document
    for part in path:
        inner = inner[part]
    inner[last] = value
    return json.dumps(document)


def test_a_sound_record_is_read(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(json.dumps(RECORD))
    assert history.read(tmp_path / "r.json").size_bytes == 100


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("artifact.size_bytes", -1),
        ("artifact.size_bytes", 0),
        ("artifact.size_bytes", "100"),
        ("artifact.size_bytes", 1.5),
        ("artifact.slow_operators", -1),
        ("artifact.files", "/etc/passwd"),
        ("measurement.latency.p50_ms", 0),
        ("measurement.latency.p50_ms", -1.0),
        ("measurement.latency.p50_ms", float("nan")),
        ("measurement.latency.p50_ms", float("inf")),
        ("measurement.latency.p50_ms", "1"),
        ("measurement.latency.p50_ms", 3.0),
        ("measurement.latency.launch_p50_ms", [0.0]),
        ("measurement.latency.samples", -1),
        ("measurement.size_mb", -0.5),
        ("measurement.peak_memory_mb", -5),
        ("measurement.energy", {"gross_mj": -1.0}),
        ("measurement.energy", {"gross_mj": 1.0, "gross_u_mj": -1.0}),
        ("measurement.threads", 0),
        ("measurement", None),
        ("artifact", []),
    ],
)
def test_impossible_figures(tmp_path: Path, place: str, value: Any) -> None:
    file = tmp_path / "r.json"
    file.write_text(changed(place, value))
    with pytest.raises(UsageError, match=r"r\.json") as refused:
        history.read(file)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("value", [float("nan"), 7, -0.1, float("inf"), "0.9", None])
def test_an_accuracy_that_none_has(tmp_path: Path, value: Any) -> None:
    evaluation = {"metric": "accuracy", "value": value, "samples": 10}
    report = {
        "schema_version": REPORT_SCHEMA,
        "created": "",
        "student": {"macs": 1, "parameters": 1},
        "candidates": [
            {
                "artifact": {"name": "a", "files": ["m.tflite"]},
                "measurement": RECORD["measurement"],
                "evaluation": evaluation,
                "chosen": True,
            }
        ],
    }
    file = tmp_path / "report.json"
    file.write_text(json.dumps(report))
    with pytest.raises(UsageError, match=r"report\.json"):
        history.read(file)
    evaluation["value"] = 0.9
    file.write_text(json.dumps(report))
    found = history.read(file).evaluation
    assert found is not None
    assert found.value == 0.9
