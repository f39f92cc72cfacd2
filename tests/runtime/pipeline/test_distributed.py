"""A whole build in two processes: the first builds, both train, one speaks.

On two machines, which are network namespaces: the same student as of one process, and an error
where a machine is lost.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from edgekit.package import bundle
from tests import tasks
from tests.runtime.pipeline.machines import Machine, two_machines
from tests.unit.distill.test_processes import ENVIRONMENT, WORKER, same_as_alone

ROOT = Path(__file__).parents[3]
LIMIT_S = 300.0
HEARTBEAT_S = 8.0


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


@pytest.mark.slow
def test_two_machines_learn_what_one_process_does(tmp_path: Path) -> None:
    """By gloo: DDP and FSDP."""
    with two_machines() as machines:
        halves = [
            one.start([str(WORKER), str(tmp_path)], tmp_path, ENVIRONMENT)
            for one in machines
        ]
        errors = [half.communicate(timeout=LIMIT_S)[1] for half in halves]
    assert [half.returncode for half in halves] == [0, 0], errors
    same_as_alone(tmp_path / "results.json")


@pytest.mark.slow
@pytest.mark.parametrize("lose", [Machine.kill, Machine.unplug])
def test_a_lost_machine_ends_the_other_with_one_error(
    tmp_path: Path, lose: Callable[[Machine], None]
) -> None:
    """The same command goes on from the last checkpoint."""
    root = tasks.write_regression(tmp_path / "project", precision="fp32")
    toml = root / "edgekit.toml"
    text = toml.read_text()
    epochs = "epochs = 40\ncheckpoint_minutes = 0"
    toml.write_text(text.replace("epochs = 3", epochs))
    build = ["-m", "edgekit", "build", "--target", "raspberrypi", "--json"]
    build += ["--out", str(tmp_path / "out")]
    environment = {
        **ENVIRONMENT,
        "EDGEKIT_CACHE": str(tmp_path / "cache"),
        "EDGEKIT_HEARTBEAT_TIMEOUT": str(HEARTBEAT_S),
    }
    with two_machines() as (first, second):
        halves = [one.start(build, root, environment) for one in (first, second)]
        state = _checkpoint(tmp_path / "cache", halves[0])
        lose(second)
        _, errors = halves[0].communicate(timeout=LIMIT_S)
    halves[1].communicate(timeout=LIMIT_S)  # its machine is gone
    assert halves[0].returncode != 0
    ours = [line for line in errors.splitlines() if line.startswith("Error: ")]
    assert len(ours) == 1, errors
    assert "Another process of this training was lost" in ours[0]
    assert "[E0311]" in ours[0]
    with two_machines() as machines:
        halves = [one.start(build, root, environment) for one in machines]
        printed = [half.communicate(timeout=LIMIT_S) for half in halves]
    assert [half.returncode for half in halves] == [0, 0], printed
    epochs_after = json.loads(printed[0][0])["epochs"]
    assert len(epochs_after) == 41
    before = [epoch["seconds"] for epoch in state["epochs"]]
    # Seconds are never the same twice: these epochs were not run again.
    assert [epoch["seconds"] for epoch in epochs_after[: len(before)]] == before


def _checkpoint(cache: Path, building: subprocess.Popen[str]) -> dict[str, object]:
    """The first checkpoint behind the first epoch of a training under way."""
    ends = time.monotonic() + LIMIT_S
    while time.monotonic() < ends and building.poll() is None:
        with suppress(FileNotFoundError):  # replaced or renamed meanwhile
            for file in cache.glob("training/[!.]*/checkpoint-*.pt"):
                state = torch.load(file, weights_only=True)
                if len(state["epochs"]) > 1:
                    return state
        time.sleep(0.02)
    pytest.fail(f"no checkpoint: {building.communicate(timeout=LIMIT_S)}")
