"""A whole build in two processes: the first builds, both train, one speaks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.package import bundle
from tests import tasks

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_two_processes_build_one_bundle(tmp_path: Path) -> None:
    root = tasks.write_regression(tmp_path / "project", precision="fp32")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "-m", "edgekit", "build"]
    cache = tmp_path / "cache"  # of its own: nothing of this was trained before
    done = subprocess.run(
        [*command, "--target", "raspberrypi", "--out", str(tmp_path / "out"), "--json"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(ROOT), "EDGEKIT_CACHE": str(cache)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    report = json.loads(done.stdout)  # nobody else printed
    assert len(report["epochs"]) == 4
    assert report["epochs"][-1]["loss"] < report["epochs"][0]["loss"]
    assert report["student"]["parameters"] < report["teacher"]["parameters"]
    assert bundle.check(tmp_path / "out") == []
    assert done.stderr.count("Load the network") <= 1
    assert not list(tmp_path.glob(".*"))
    # Made where both train; nothing is left in it of what they read.
    assert list((cache / "calls").iterdir()) == []
