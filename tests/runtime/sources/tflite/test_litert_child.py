"""The script that runs a TFLite file on LiteRT: more outputs, and real numbers for whole ones."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgekit.child import environment, python
from edgekit.sources.tflite import litert_child
from tests.runtime.sources.tflite.models import DATA, given

SCRIPT = str(litert_child.__file__)


def started(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        python(SCRIPT, str(folder)),
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("real", [False, True])
def test_a_job_writes_the_outputs_of_a_batch(tmp_path: Path, real: bool) -> None:
    x, y = given()
    content = (DATA / "net-int8.tflite").read_bytes()
    (tmp_path / "model.tflite").write_bytes(content)
    np.savez(tmp_path / "inputs.npz", **{"0": x.numpy()})
    job = {"ends": [False], "more": [10**6], "real": real}
    (tmp_path / "job.json").write_text(json.dumps(job))
    done = started(tmp_path)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "outputs.npz") as found:
        assert found.files == ["0"]  # no operator makes a tensor of that number
        apart = np.abs(found["0"] - y.numpy()).max()
    assert apart < 0.1
    assert (apart < 0.05) or not real


def test_a_damaged_file_ends_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(b"TFL3")
    np.savez(tmp_path / "inputs.npz", **{"0": np.zeros((1, 3), np.float32)})
    (tmp_path / "job.json").write_text('{"ends": [], "more": [], "real": false}')
    done = started(tmp_path)
    assert done.returncode != 0
