"""This machine as a device, with what can go wrong provoked for real."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import venv
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from edgekit.agent.schema import SCHEMA
from edgekit.devices.local import LocalDevice
from edgekit.errors import ArtifactError, DeviceError, RuntimeMissing

ROOT = Path(__file__).parents[3]
ENDLESS = {"warmup_min_s": 0.1, "min_s": 300, "max_s": 300}


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of this test alone, so that leftovers are visible."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def agents(folder: Path) -> list[psutil.Process]:
    """Running agents whose files lie in `folder`."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if any(str(folder) in part for part in process.info["cmdline"] or []):
            found.append(process)
    return found


def wait_for_agent(folder: Path) -> psutil.Process:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for process in agents(folder):
            if any(part.endswith("result.json") for part in process.cmdline()):
                return process
        time.sleep(0.05)
    raise AssertionError("no agent started")


def bench(model: Any, **more: Any) -> dict[str, Any]:
    runtime, path = model.runtime, str(model.path)
    return {"schema": SCHEMA, "kind": "bench", "runtime": runtime, "path": path, **more}


def test_a_job_is_done_and_nothing_is_left(temporary: Path, model: Any) -> None:
    quick = {"warmup_min_s": 0.02, "min_runs": 5, "min_s": 0.02}
    result = LocalDevice().run(bench(model, **quick), timeout_s=60)
    assert len(result["samples_ns"]) >= 5
    assert len(result["trace"]) == 2
    assert list(temporary.iterdir()) == []


def test_a_job_that_takes_too_long_is_ended(temporary: Path, onnx_model: Any) -> None:
    start = time.monotonic()
    with pytest.raises(DeviceError, match="did not finish within 2 s"):
        LocalDevice().run(bench(onnx_model, **ENDLESS), timeout_s=2)
    assert time.monotonic() - start < 10
    assert agents(temporary) == []
    assert list(temporary.iterdir()) == []


def test_a_killed_agent_is_explained(temporary: Path, onnx_model: Any) -> None:
    killer = threading.Thread(target=lambda: wait_for_agent(temporary).kill())
    killer.start()
    with pytest.raises(DeviceError, match=r"SIGKILL \(137\).*memory ran out"):
        LocalDevice().run(bench(onnx_model, **ENDLESS), timeout_s=60)
    killer.join()
    assert list(temporary.iterdir()) == []


def test_ctrl_c_leaves_neither_process_nor_file(
    temporary: Path, onnx_model: Any
) -> None:
    code = (
        "import json, sys\nfrom edgekit.devices.local import LocalDevice\n"
        "LocalDevice().run(json.loads(sys.argv[1]), timeout_s=60)"
    )
    job = json.dumps(bench(onnx_model, **ENDLESS))
    with subprocess.Popen(
        [sys.executable, "-c", code, job], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as ours:
        wait_for_agent(temporary)
        ours.send_signal(signal.SIGINT)
        _, said = ours.communicate(timeout=20)
    assert "KeyboardInterrupt" in said
    assert agents(temporary) == []
    assert list(temporary.iterdir()) == []


def test_a_broken_model_is_an_artifact_error(tmp_path: Path) -> None:
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"\0" * 100)
    job = {
        "schema": SCHEMA,
        "kind": "bench",
        "runtime": "onnxruntime",
        "path": str(bad),
    }
    with pytest.raises(ArtifactError, match=r"bench of .*bad.onnx on local: .*refused"):
        LocalDevice().run(job, timeout_s=60)


def test_a_python_that_is_not_there_is_named() -> None:
    device = LocalDevice(python="/nowhere/python")
    with pytest.raises(DeviceError, match="Cannot start /nowhere/python"):
        device.probe()


def lean_python(folder: Path, *packages: str) -> str:
    """An environment that has `packages` of ours and nothing else."""
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    for package in packages:
        origin = Path(np.__file__).parents[1]
        for part in origin.glob(f"{package}*"):
            (site / part.name).symlink_to(part)
    return str(folder / "bin" / "python")


def test_numpy_and_one_runtime_are_enough(tmp_path: Path, onnx_model: Any) -> None:
    device = LocalDevice(python=lean_python(tmp_path / "env", "numpy", "onnxruntime"))
    quick = {"warmup_min_s": 0.02, "min_runs": 5, "min_s": 0.02}
    result = device.run(bench(onnx_model, **quick), timeout_s=60)
    assert len(result["samples_ns"]) >= 5
    runtimes = device.probe()["runtimes"]
    assert runtimes["onnxruntime"]["version"]
    assert runtimes["openvino"]["version"] is None
    with pytest.raises(RuntimeMissing, match=r"pip install 'edgekit\[openvino\]'"):
        device.run({**bench(onnx_model), "runtime": "openvino"}, timeout_s=60)


def test_a_python_without_numpy_is_distinguished(
    tmp_path: Path, onnx_model: Any
) -> None:
    device = LocalDevice(python=lean_python(tmp_path / "env"))
    with pytest.raises(RuntimeMissing, match=r"needs numpy.*: pip install numpy"):
        device.run(bench(onnx_model), timeout_s=60)


def test_the_agent_sees_little_of_our_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, onnx_model: Any
) -> None:
    """A stray setting of the shell must not change a measurement."""
    stray = tmp_path / "stray.py"
    stray.write_text("raise SystemExit('read the stray startup file')")
    monkeypatch.setenv("PYTHONSTARTUP", str(stray))
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    assert LocalDevice().probe()["machine"]["cores"] == len(os.sched_getaffinity(0))


def test_the_fingerprint_is_of_the_probed_machine() -> None:
    from edgekit.agent.machine import fingerprint

    device = LocalDevice()
    assert device.fingerprint() == fingerprint(device.probe()["machine"])
    assert device.provenance == "host"
