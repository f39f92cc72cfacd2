"""Each kind of job, on each runtime, in a process of its own."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

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
    job_file.write_text(json.dumps({"schema": 1, **job}))
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


def test_a_launch_keeps_every_sample(tmp_path: Path, model: Any) -> None:
    job = {"kind": "bench", "runtime": model.runtime, "path": str(model.path), **SHORT}
    status, result, _ = perform(tmp_path, job)
    assert status == 0
    assert result["error"] is None
    assert result["complete"] is True
    assert len(result["samples_ns"]) >= 40
    assert all(sample > 0 for sample in result["samples_ns"])
    assert sum(result["samples_ns"]) / 1e9 <= result["timed_s"]
    assert result["warmup"]["runs"] >= 10
    assert result["load_ms"] > 0
    assert result["first_ms"] > 0
    assert result["peak_memory_mb"] >= result["memory_before_load_mb"] > 1
    assert result["runtime_version"][0].isdigit()
    assert result["machine"]["emulated"] is not True


def test_energy_is_measured_or_null_with_the_reason(
    tmp_path: Path, onnx_model: Any
) -> None:
    job = {"kind": "energy", "runtime": "onnxruntime", "path": str(onnx_model.path)}
    brief = {"windows": 2, "window_s": 0.2, "idle_s": 0.2, "warmup_s": 0.1}
    _, result, _ = perform(tmp_path, {**job, **brief})
    if result["meter"] is None:
        assert "No energy meter can be read here" in result["reason"]
        assert {"rapl", "perf", "hwmon"} <= set(result["unreadable"])
    else:
        assert len(result["windows"]) == 2
    _, result, _ = perform(tmp_path, {**job, **brief, "meter": "none"})
    assert result["reason"] == "Energy was not asked for."


def test_a_launch_is_pinned_and_looks_around(tmp_path: Path, onnx_model: Any) -> None:
    job = {"kind": "bench", "runtime": "onnxruntime", "path": str(onnx_model.path)}
    _, result, _ = perform(tmp_path, {**job, **SHORT, "trace_s": 0.01})
    assert len(result["pinned"]) == 1
    assert len(result["trace"]) > 2
    assert result["cpu_s"] > 0
    assert result["refused"] is None
    _, result, _ = perform(tmp_path, {**job, **SHORT, "pin": False})
    assert result["pinned"] is None
    assert len(result["trace"]) == 2


def test_max_s_cuts_a_launch_short_and_says_so(tmp_path: Path, onnx_model: Any) -> None:
    job = {"kind": "bench", "runtime": "onnxruntime", "path": str(onnx_model.path)}
    limits = {"warmup_min_s": 0.02, "min_runs": 10**9, "max_s": 0.05}
    status, result, _ = perform(tmp_path, {**job, **limits})
    assert status == 0
    assert result["complete"] is False


def test_outputs_are_the_models(tmp_path: Path, model: Any) -> None:
    samples = np.random.default_rng(1).standard_normal((7, *model.input_shape))
    samples = samples.astype(np.float32)
    np.savez(tmp_path / "in.npz", samples)
    job = {
        "kind": "infer",
        "runtime": model.runtime,
        "path": str(model.path),
        "inputs": str(tmp_path / "in.npz"),
        "outputs": str(tmp_path / "out.npz"),
    }
    status, result, _ = perform(tmp_path, job)
    assert status == 0
    assert result["samples"] == 7
    assert result["outputs_order"] == ["y"]
    outputs = np.load(tmp_path / "out.npz")["output_0"]
    np.testing.assert_allclose(outputs, model.reference(samples), rtol=1e-5, atol=1e-6)
    assert not (tmp_path / "out.npz.partial").exists()


def test_wrong_sample_shape_names_both_shapes(tmp_path: Path, model: Any) -> None:
    np.savez(tmp_path / "in.npz", np.zeros((2, 5), np.float32))
    job = {
        "kind": "infer",
        "runtime": model.runtime,
        "path": str(model.path),
        "inputs": str(tmp_path / "in.npz"),
        "outputs": str(tmp_path / "out.npz"),
    }
    status, result, screen = perform(tmp_path, job)
    assert status == 1
    assert result["error"]["kind"] == "inputs_invalid"
    assert "takes float32 [1, 4], got float32 [1, 5]" in result["error"]["message"]
    assert "Traceback" not in screen


def test_micro_loses_only_the_bad_model(tmp_path: Path, model: Any) -> None:
    bad = tmp_path / "bad.bin"
    bad.write_bytes(b"not a model at all")
    job = {
        "kind": "micro",
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


@pytest.mark.parametrize(
    ("job", "kind", "words"),
    [
        ({"kind": "bench", "runtime": "nope", "path": "x"}, "job_invalid", "Known:"),
        ({"kind": "bench", "runtime": "onnxruntime"}, "job_invalid", "needs 'path'"),
        (
            {"kind": "dance"},
            "job_invalid",
            "Known: bench, energy, infer, micro, probe, profile",
        ),
        ({"schema": 99, "kind": "probe"}, "job_invalid", "schema 99"),
        (
            {"kind": "bench", "runtime": "tflite-runtime", "path": "x"},
            "runtime_missing",
            "tflite-runtime needs the package tflite-runtime",
        ),
        (
            {"kind": "bench", "runtime": "onnxruntime", "path": "/nowhere/model.onnx"},
            "model_unreadable",
            "/nowhere/model.onnx (No such file",
        ),
        (
            {
                "kind": "bench",
                "runtime": "onnxruntime",
                "path": "x",
                "options": {"a": 1},
            },
            "job_invalid",
            "no option 'a'. Known: allow_spinning",
        ),
        (
            {
                "kind": "micro",
                "runtime": "onnxruntime",
                "models": [],
                "unit": "instructions",
            },
            "job_invalid",
            "in an emulated process only",
        ),
        (
            {"kind": "micro", "runtime": "onnxruntime", "models": [], "unit": "s"},
            "job_invalid",
            "No unit 's' of cost. Known: us, instructions",
        ),
        (
            {"kind": "micro", "runtime": "onnxruntime", "models": 5},
            "internal",
            "TypeError",
        ),
    ],
)
def test_errors_are_one_line_and_a_kind(
    tmp_path: Path, job: dict[str, Any], kind: str, words: str
) -> None:
    status, result, screen = perform(tmp_path, job)
    assert status == 1
    assert result["error"]["kind"] == kind
    assert words in result["error"]["message"]
    assert "\n" not in result["error"]["message"]
    assert "Traceback" not in screen
    assert len(screen.strip().splitlines()) == 1


def test_the_probe_tells_what_is_missing(tmp_path: Path) -> None:
    _, result, _ = perform(tmp_path, {"kind": "probe"})
    assert set(result["runtimes"]) == {
        "litert",
        "tflite-runtime",
        "onnxruntime",
        "openvino",
    }
    for facts in result["runtimes"].values():
        assert (facts["version"] is None) != (facts["reason"] is None)
    assert {"rapl", "perf", "hwmon", "pi5-pmic", "battery"} < set(result["meters"])
    assert result["conditions"]["at_ns"] > 0
    assert result["machine"]["cores"] >= 1


def test_a_bare_python_can_be_asked_and_told_what_it_lacks(tmp_path: Path) -> None:
    bare = [sys.executable, "-S", "-m", "edgekit.agent"]
    status, result, screen = perform(tmp_path, {"kind": "probe"}, command=bare)
    assert status == 0, screen
    assert result["numpy"] is None
    assert result["machine"]["cores"] >= 1
    assert {fact["version"] for fact in result["runtimes"].values()} == {None}
    job = {"kind": "bench", "runtime": "onnxruntime", "path": "m.onnx"}
    status, result, _ = perform(tmp_path, job, command=bare)
    assert (status, result["error"]["kind"]) == (1, "numpy_missing")


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
    job.write_text(json.dumps({"schema": 1, **what, **SHORT}))
    subprocess.run(
        [sys.executable, "-m", "edgekit.agent", str(job), str(tmp_path / "r.json")],
        cwd=ROOT,
        env={**os.environ, "HOME": str(home), "TMPDIR": str(home)},
        check=True,
    )
    assert list(home.iterdir()) == []


def test_the_process_ends_itself_when_nobody_waits(
    tmp_path: Path, onnx_model: Any
) -> None:
    job = {
        "schema": 1,
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


def test_quantization_of_the_border_is_read(requantizing_model: Any) -> None:
    from edgekit.agent import runtimes

    runtime, _ = runtimes.find("litert")
    session = runtimes.open_model(
        runtime, str(requantizing_model.path), 1, runtime.DEFAULTS
    )
    assert session.inputs[0].quantization == (0.5, 3)
    assert session.outputs[0].quantization == (0.25, -5)
    assert session.inputs[0].dtype == "int8"


def test_inference_leaves_the_bound_inputs_as_they_are(model: Any) -> None:
    """Timed inferences repeat on what was prepared once: each must see the same sample."""
    from edgekit.agent import runtimes
    from edgekit.agent.session import draw

    runtime, _ = runtimes.find(model.runtime)
    options = runtimes.settings(runtime, {})
    session = runtimes.open_model(runtime, str(model.path), 1, options)
    arrays = draw(session.inputs, 3)
    session.prepare(arrays)
    for _ in range(3):
        session.invoke()
        np.testing.assert_allclose(
            session.read()[0], model.reference(arrays[0]), rtol=1e-5, atol=1e-6
        )


def test_the_agent_is_python_3_9() -> None:
    for file in (ROOT / "edgekit" / "agent").rglob("*.py"):
        ast.parse(file.read_text(), feature_version=(3, 9))
