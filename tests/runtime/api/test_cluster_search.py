"""A search on a cluster of Ray, whose driver is killed, and then one of its workers."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import edgekit as ek
from edgekit.pipeline.fleet.records import TaskState
from edgekit.pipeline.trials.study import FILE
from edgekit.report.search_page import JSON
from tests.runtime.api.test_fleet import BEGIN
from tests.runtime.api.test_searches import written
from tests.runtime.commands.running import wait_for
from tests.unit.test_habits import ROOT

LONG = 3600
TRIALS = 4
VARY = ["recipe.distill.learning_rate=0.001..0.1", "recipe.distill.epochs=2..4"]
_OBJECTS_BYTES = 100 * 2**20
pytestmark = [
    pytest.mark.timeout(LONG),
    pytest.mark.slow,
    pytest.mark.skipif(
        not (importlib.util.find_spec("ray") and importlib.util.find_spec("optuna")),
        reason="pip install 'edgekit[search,fleet]'",
    ),
]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "cache"))
    return written(tmp_path / "project")


@pytest.fixture
def two_workers(project: Path) -> Iterator[None]:
    """A cluster of this process with two processors, however many the machine has.

    Its workers have the variables of the `project`, as they are when it starts.
    """
    import ray

    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=_OBJECTS_BYTES,
        log_to_driver=False,
        logging_level=50,
    )
    try:
        yield
    finally:
        ray.shutdown()


def found(out: Path) -> dict[str, Any]:
    file = out / JSON
    return json.loads(file.read_text()) if file.is_file() else {"points": []}


def in_study(out: Path) -> dict[int, tuple[str, list[str]]]:
    """The state and the settings of each trial that has settings, by number."""
    import optuna

    study = optuna.load_study(study_name="search", storage=f"sqlite:///{out / FILE}")
    return {
        one.number: (one.state.name, one.user_attrs["settings"])
        for one in study.get_trials()
        if "settings" in one.user_attrs
    }


def killed(project: Path, out: Path) -> dict[str, Any]:
    """The report of a search whose process is killed after its first trial."""
    varied = [word for one in VARY for word in ("--vary", one)]
    command = [sys.executable, "-m", "edgekit", "search", "-t", "raspberrypi4"]
    fixed = ["--trials", str(TRIALS), "--rungs", "2", "-o", str(out)]
    cluster = ["--engine", "ray", "--jobs", "2", "--cpus", "0.5"]
    with subprocess.Popen(
        [*command, "-p", str(project), *varied, *fixed, *cluster],
        cwd=project,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as driver:
        wait_for(
            lambda: found(out)["points"] or driver.poll() is not None,
            "the first trial",
            seconds=LONG,
        )
        assert driver.poll() is None, "it ended before it could be killed"
        os.killpg(driver.pid, signal.SIGKILL)
    return found(out)


@pytest.mark.usefixtures("two_workers")
def test_no_trial_is_lost_or_doubled(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    before = killed(project, out)
    first = in_study(out)
    under_way = {n: s for n, (state, s) in first.items() if state == "RUNNING"}
    assert under_way, "a trial was under way"

    lost: list[tuple[str, int]] = []
    most, seen = 0, dict[str, TaskState]()

    def watch(states: Sequence[TaskState]) -> None:
        nonlocal most
        seen.update((state.task.name, state) for state in states)
        running = [state for state in states if state.current]
        most = max(most, len(running))
        for state in running:
            if not lost and state.current and state.stage not in BEGIN:
                lost.append((state.task.name, state.current.process))
                os.kill(state.current.process, signal.SIGKILL)

    report = ek.search(
        project,
        target="raspberrypi4",
        vary=VARY,
        trials=TRIALS,
        rungs=2,
        out=out,
        engine="ray",
        watch=watch,
    )
    [(name, process)] = lost
    again = seen[name].attempts
    assert [one.lost for one in again] == [True, False]
    assert again[0].process == process != again[1].process
    assert most == 2, "two trials ran beside each other"
    assert not report.failed

    after = in_study(out)
    assert {n for n, (state, _) in after.items() if state == "COMPLETE"} == {
        *range(TRIALS)
    }
    assert all(after[number][1] == settings for number, settings in under_way.items())
    each = [(one.trial, one.epochs) for one in report.points]
    assert len(each) == len({*each})
    assert {trial for trial, _ in each} == {*range(TRIALS)}
    assert len({one.settings for one in report.points}) == TRIALS
    for one in report.points:
        assert (out / one.bundle / "report.json").is_file()
    kept = {one["trial"] for one in before["points"]}
    same = [one for one in found(out)["points"] if one["trial"] in kept]
    assert same == before["points"], "a trial that had ended is as it was"
    assert report.frontier
    assert report.frontier == tuple(sorted(report.frontier, key=lambda one: one.p50_ms))
