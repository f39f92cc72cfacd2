"""Jobs of kind microbenchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.runtime.agent.test_agent_jobs import perform


def test_microbenchmark_loses_only_the_bad_model(tmp_path: Path, model: Any) -> None:
    bad = tmp_path / "bad.bin"
    bad.write_bytes(b"not a model at all")
    job = {
        "kind": "microbenchmark",
        "runtime": model.runtime,
        "models": [str(model.path), str(bad), str(tmp_path / "gone"), str(model.path)],
        "rounds": 3,
        "min_round_ms": 1,
    }
    status, result, screen = perform(tmp_path, job)
    assert status == 0
    first, broken, gone, last = result["results"]
    for row in (first, last):
        assert row["error"] is None
        assert len(row["rounds_us"]) == 3
        assert row["us"] == min(row["rounds_us"]) > 0
    assert broken["us"] is None
    assert "refused" in broken["error"]
    assert gone["us"] is None
    assert "No such file" in gone["error"]
    assert "Traceback" not in screen
