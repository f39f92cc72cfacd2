"""The script that runs a file on ONNX Runtime loads neither EdgeKit nor torch."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np

from edgekit.child import environment, python
from edgekit.sources.onnx import run_file
from tests.unit.sources.onnx.agreement import by_runtime, drawn
from tests.unit.sources.onnx.models import classifier

SCRIPT = str(run_file.__file__)


def test_each_run_of_a_folder_is_written_beside_it(tmp_path: Path) -> None:
    path = classifier(tmp_path / "net.onnx")
    x = drawn(1, 3, 8, 8)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "more.npy", x)
    job = {"inputs": {"picture": "x.npy", "unknown": "more.npy"}, "outputs": ["scores"]}
    (tmp_path / "jobs.json").write_text(json.dumps([job, job]))
    code = (
        "import runpy, sys; sys.argv = sys.argv[1:];"
        "runpy.run_path(sys.argv[0], run_name='__main__');"
        "print([m for m in ('torch', 'edgekit') if m in sys.modules])"
    )
    done = subprocess.run(
        python("-c", code, SCRIPT, str(path), str(tmp_path)),
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
    for number in range(2):
        found = np.load(tmp_path / f"result-{number}-0.npy")
        np.testing.assert_allclose(found, by_runtime(path, picture=x)[0], atol=1e-6)


def test_a_failure_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"no model")
    (tmp_path / "jobs.json").write_text("[]")
    done = subprocess.run(
        python(SCRIPT, str(tmp_path / "net.onnx"), str(tmp_path)),
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
