"""One process or two, whole or spread, killed or not: the same student comes out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
import torch

from edgekit.distill.checkpoint import Checkpoints
from tests.unit.distill.worker import RECIPE, trainer

ROOT = Path(__file__).parents[3]
WORKER = Path(__file__).with_name("worker.py")
ENVIRONMENT = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As in the processes compared with: the number of threads decides the last bit of a sum."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    """By gloo: DDP, FSDP, and DDP with accumulated gradients."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2"]
    subprocess.run(
        [*command, str(WORKER), str(tmp_path)],
        check=True,
        env=ENVIRONMENT,
        timeout=600,
    )
    same_as_alone(tmp_path / "results.json")


def same_as_alone(results: Path) -> None:
    """Compare the trainings of `worker.py` with those of this process."""
    found = json.loads(results.read_text())
    alone = trainer(RECIPE)
    assert alone.kept_epoch > 0  # or there were nothing to compare
    weights = alone.program.module.state_dict()["4.weight"]
    for name in ("ddp", "fsdp", "parts"):
        losses = [epoch.loss for epoch in alone.epochs]
        if name != "parts":  # batch norm sees the parts of a batch one by one
            assert found[name]["losses"] == pytest.approx(losses, abs=1e-3), name
            torch.testing.assert_close(
                torch.tensor(found[name]["weights"]), weights, rtol=0, atol=1e-3
            )
        assert found[name]["losses"] == pytest.approx(losses, rel=0.2), name
    for name, result in found.items():
        # A last batch of six is too few for two accumulated parts of two processes.
        count = 64 if name == "parts" else 70
        for epoch in range(RECIPE.epochs):
            own = slice(epoch * count // 2, (epoch + 1) * count // 2)
            drawn = list(chain(*(seen[own] for seen in result["samples"])))
            assert len(drawn) == len(set(drawn)) == count, name
    kept = trainer(replace(RECIPE, losses={}, augment="none"))
    assert found["kept"]["losses"] == pytest.approx(
        [epoch.loss for epoch in kept.epochs], abs=1e-3
    )


def test_killed_and_resumed_ends_with_the_same_weights(tmp_path: Path) -> None:
    killed = subprocess.run(
        [sys.executable, str(WORKER), str(tmp_path), "7"],
        env=ENVIRONMENT,
        timeout=600,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    state = Checkpoints(tmp_path, 0).read()
    assert state is not None
    place = state["trainer"]["place"]
    assert (place["epoch"], place["step"]) == (2, 1)
    resumed, whole = trainer(RECIPE, tmp_path), trainer(RECIPE)
    assert whole.kept_epoch == 2  # or there were nothing to compare
    assert resumed.program.fingerprint() == whole.program.fingerprint()
    assert [e.loss for e in resumed.epochs] == [e.loss for e in whole.epochs]
    assert Checkpoints(tmp_path, 0).read() is None
