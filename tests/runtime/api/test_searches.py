"""A search that is killed goes on where it was."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgekit.report.search_page import HTML, JSON
from tests.runtime.commands.running import wait_for
from tests.unit.pipeline import points

LONG = 3600
pytestmark = [
    pytest.mark.timeout(LONG),
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("optuna") is None,
        reason="pip install 'edgekit[search]'",
    ),
]
TRIALS = 12
MAIN = """
from dataclasses import replace
from edgekit.bench.tiers import TIERS
from edgekit.cli import main

TIERS["quick"] = replace(TIERS["quick"], launches=1, warmup_min_s=0.05, min_s=0.1)
main()
"""
"""The command with short measurements."""
RECIPE = """
rounds = 1
[recipe]
minutes = 0
[recipe.export]
runtimes = ["onnxruntime"]
precisions = ["fp32"]
[recipe.bench]
runtime_options_s = 0
"""


def written(folder: Path) -> Path:
    """A project to search in: builds of seconds that train."""
    folder.mkdir()
    points.write(folder)
    text = points.PROJECT.replace("[recipe.distill]\nepochs = 1\n", RECIPE)
    (folder / "edgekit.toml").write_text(text.replace("speedup = 2.0", "speedup = 1.5"))
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return written(tmp_path / "project")


def command(folder: Path) -> list[str]:
    varied = (
        *("--vary", "recipe.distill.learning_rate=0.001..0.1"),
        *("--vary", "recipe.distill.epochs=4..8"),
    )
    search = [sys.executable, "-c", MAIN, "search", "-t", "raspberrypi4"]
    fixed = ("--trials", str(TRIALS), "--rungs", "2", "-o", str(folder / "out"))
    return [*search, "-p", str(folder), *varied, *fixed]


def found(folder: Path) -> dict[str, Any]:
    file = folder / "out" / JSON
    return json.loads(file.read_text()) if file.is_file() else {"points": []}


def ended(document: dict[str, Any]) -> set[int]:
    return {one["trial"] for one in document["points"]}


def killed(folder: Path, environment: dict[str, str], after: int) -> dict[str, Any]:
    """The report of a search that is killed in the trial behind the first `after` ones."""
    with subprocess.Popen(
        command(folder),
        cwd=folder,
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as search:
        wait_for(
            lambda: len(ended(found(folder))) >= after or search.poll() is not None,
            f"{after} trials",
            seconds=LONG,
        )
        assert search.poll() is None, "it ended before it could be killed"
        os.killpg(search.pid, signal.SIGKILL)
    return found(folder)


def test_a_killed_search_loses_no_trial(project: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    first = killed(project, environment, 3)
    second = killed(project, environment, 6)
    done = subprocess.run(
        command(project),
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=LONG,
    )
    assert done.returncode == 0, done.stderr
    after = found(project)
    for before in (first, second):
        kept = [one for one in after["points"] if one["trial"] in ended(before)]
        assert kept == before["points"], "a trial that had ended is as it was"
    assert sorted(ended(after)) == [*range(TRIALS)], "none is lost, none is doubled"
    settings = {one["trial"]: tuple(one["settings"]) for one in after["points"]}
    assert len({*settings.values()}) == TRIALS
    for one in after["points"]:
        assert (project / "out" / one["bundle"] / "report.json").is_file()
    best = after["frontier"]
    assert best == sorted(best, key=lambda one: one["p50_ms"])
    assert "Frontier: accuracy on validation samples against latency" in done.stdout
    assert "timed on this machine, not on raspberrypi4 (local)" in done.stdout
    assert (project / "out" / HTML).stat().st_size > 10_000
    epochs = {one["epochs"] for one in after["points"] if one["trial"] == 0}
    assert len(epochs) > 1, "it trained for a fraction of its epochs first"

    again = subprocess.run(
        [*command(project), "--json"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=LONG,
    )
    assert json.loads(again.stdout)["points"] == after["points"], (
        "nothing is left to do"
    )
