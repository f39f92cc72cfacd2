"""Each kind of job, on each runtime, in a process of its own."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from edgekit.agent import schema
from edgekit.devices.packing import pack_agent

ROOT = Path(__file__).parents[3]
SHORT = {
    "warmup_min_s": 0.05,
    "warmup_max_s": 1.0,
    "min_runs": 40,
    "min_s": 0.05,
    "max_s": 5.0,
}


def perform(
    folder: Path, job: dict[str, Any], *, command: list[str] | None = None
) -> tuple[int, dict[str, Any], str]:
    """Exit status, result and screen of one agent process."""
    job_file, result = folder / "job.json", folder / "result.json"
    job_file.write_text(json.dumps({"schema": 2, **job}))
    command = command or [sys.executable, "-m", "edgekit.agent"]
    done = subprocess.run(
        [*command, str(job_file), str(result)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    found = json.loads(result.read_text())
    declared = getattr(schema, f"{found['kind'].capitalize()}Result", schema.Result)
    assert set(found) <= set(declared.__annotations__), "a field is not in the schema"
    return done.returncode, found, done.stderr


def test_the_packed_agent_runs_alone(tmp_path: Path, model: Any) -> None:
    packed = pack_agent(tmp_path / "agent.pyz")
    assert packed.read_bytes() == pack_agent(tmp_path / "again.pyz").read_bytes()
    job = {"kind": "bench", "runtime": model.runtime, "path": str(model.path), **SHORT}
    command = [sys.executable, "-I", "-X", "importtime", str(packed)]
    status, result, screen = perform(tmp_path, job, command=command)
    assert status == 0
    assert len(result["samples_ns"]) >= 40
    imported = {
        line.rpartition("|")[2].strip().partition(".")[0]
        for line in screen.splitlines()
        if line.startswith("import time:")
    }
    assert "edgekit_agent" in imported
    assert imported.isdisjoint(
        {"edgekit", "torch", "onnx", "onnxscript", "nncf", "tensorflow", "pydantic"}
    )


def test_importing_the_agent_in_the_package_stays_light() -> None:
    code = "import sys, edgekit.agent.bench; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ},
        capture_output=True,
        text=True,
        check=True,
    )
    modules = set(done.stdout.split())
    assert "torch" not in modules
    assert {name for name in modules if name.startswith("edgekit")} <= {"edgekit"} | {
        name for name in modules if name.startswith("edgekit.agent")
    }


def test_no_runtime_reports_or_keeps_anything(tmp_path: Path, model: Any) -> None:
    """Reports to a runtime's maker leave their queue in the home and temporary folders."""
    home, job = tmp_path / "home", tmp_path / "job.json"
    home.mkdir()
    what = {"kind": "bench", "runtime": model.runtime, "path": str(model.path)}
    job.write_text(json.dumps({"schema": 2, **what, **SHORT}))
    subprocess.run(
        [sys.executable, "-m", "edgekit.agent", str(job), str(tmp_path / "r.json")],
        cwd=ROOT,
        env={**os.environ, "HOME": str(home), "TMPDIR": str(home)},
        check=True,
    )
    assert list(home.iterdir()) == []


def test_the_agent_is_python_3_9() -> None:
    for file in (ROOT / "edgekit" / "agent").rglob("*.py"):
        ast.parse(file.read_text(), feature_version=(3, 9))
