"""The watchdog of a job."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.runtime.agent.test_agent_jobs import ROOT


def test_the_process_ends_itself_when_nobody_waits(
    tmp_path: Path, onnx_model: Any
) -> None:
    job = {
        "schema": 2,
        "kind": "bench",
        "runtime": "onnxruntime",
        "path": str(onnx_model.path),
        "min_s": 60,
        "timeout_s": 2,
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    files = [str(tmp_path / "job.json"), str(tmp_path / "result.json")]
    done = subprocess.run(
        [sys.executable, "-m", "edgekit.agent", *files],
        cwd=ROOT,
        timeout=30,
        check=False,
    )
    assert done.returncode < 0
    assert not (tmp_path / "result.json").exists()
