"""Builds as jobs, which submitit starts as processes of this machine."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from edgekit.errors import UsageError
from edgekit.pipeline.fleet import slurm
from edgekit.pipeline.fleet.lending import Lender
from edgekit.pipeline.fleet.records import unwatched
from edgekit.pipeline.fleet.slurm import SlurmOptions
from tests.runtime.pipeline.fleet import works
from tests.runtime.pipeline.fleet.works import tasks
from tests.unit.pipeline.fleet.tasks import device, farm
from tests.unit.test_habits import ROOT

pytest.importorskip("submitit", reason="pip install 'edgekit[slurm]'")


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SlurmOptions:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return SlurmOptions(logs=tmp_path / "slurm", retries=1, executor="local")


@pytest.mark.slow
def test_lost_jobs_are_repeated_and_faults_end_one_build_alone(
    tmp_path: Path, options: SlurmOptions
) -> None:
    asked = tasks(tmp_path, "fine", "once", "dies", "raises")
    seen: list[str] = []

    def watch(states) -> None:
        seen.extend(state.stage for state in states)

    states = slurm.run(asked, works.work, Lender(), options=options, watch=watch)
    assert [state.phase for state in states] == ["done", "done", "failed", "failed"]
    assert [state.number for state in states] == [1, 2, 2, 1]
    _, _, dies, raises = (state.done.failure for state in states if state.done)
    assert dies is not None and dies.kind == "WorkerLost"
    assert "dies was given up after 2 attempts: job " in dies.message
    assert raises is not None and raises.kind == "BuildCrashed"
    assert raises.message.endswith("KeyError: 'a fault of ours'")
    assert any(stage.endswith(": running") for stage in seen)
    [attempt] = states[0].attempts
    assert attempt.process > 0 and attempt.ended and not attempt.lost
    printed = [file.read_text() for file in options.logs.glob("*_log.err")]
    assert any("fine begins" in text for text in printed)


@pytest.mark.slow
def test_a_device_is_used_by_one_build_at_a_time(
    tmp_path: Path, options: SlurmOptions
) -> None:
    lender = Lender(farm(device("pi-1"), device("pi-2")))
    asked = tasks(tmp_path, "unlinked", *(f"fine-{number}" for number in range(3)))
    states = slurm.run(asked, works.work, lender, options=options, watch=unwatched)
    assert all(state.phase == "done" for state in states)
    # The first was lost with its device, and went on with the other.
    assert [one.device for one in states[0].attempts] == ["pi-1", "pi-2"]
    for times in works.uses(tmp_path).values():
        assert all(ended <= began for (_, ended), (began, _) in pairwise(times))
    assert all(lease.ended for lease in lender.leases)


@pytest.mark.skipif(shutil.which("sbatch") is not None, reason="there is Slurm")
def test_a_machine_without_slurm_is_named(tmp_path: Path) -> None:
    options = SlurmOptions(logs=tmp_path / "slurm")
    with pytest.raises(UsageError, match=r"has no Slurm \(sbatch\)"):
        slurm.run([], works.work, Lender(), options=options, watch=unwatched)
