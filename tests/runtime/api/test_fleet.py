"""Builds of a project for several targets, in this process and on a cluster of Ray."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import edgekit as ek
from edgekit.config import lock_file
from edgekit.pipeline.fleet.records import TaskState
from edgekit.store import digest
from tests.unit.test_habits import ROOT

TARGETS = ("raspberrypi4", "intel-n100")
RECIPE = """
[recipe]
minutes = 0
[recipe.prune]
cost_provenance = "estimated"
rounds = 1
iterations = 1
[recipe.export]
runtimes = ["onnxruntime"]
precisions = ["fp32"]
[recipe.bench]
runtime_options_s = 0
"""
BEGIN = ("Load the network", "Read the data", "Evaluate the network", "")
"""Steps of a build before its first stage of its own."""
needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="pip install 'edgekit[fleet]'"
)
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("brief")]


@pytest.fixture
def folder(own_project: Path, tmp_path: Path) -> Path:
    """A project whose builds take seconds and meet their budget wherever they run."""
    root = tmp_path / "project"
    shutil.copytree(own_project, root)
    text = (root / "edgekit.toml").read_text()
    text = text.replace("speedup       = 1.5", "mmacs = 6.0")
    text = text.replace("accuracy_drop = 0.05", "accuracy_drop = 0.5")
    assert "mmacs" in text and "0.5" in text
    (root / "edgekit.toml").write_text(
        text.replace("[recipe.distill]", f"{RECIPE}\n[recipe.distill]")
    )
    return root


def artifacts(bundle: Path) -> dict[str, str]:
    """The hashes of a bundle's files that have no time in them."""
    timed = ("report.json", "report.html", "manifest.json")
    return {
        path.relative_to(bundle).as_posix(): digest(path)
        for path in sorted(bundle.rglob("*"))
        if path.is_file() and path.name not in timed
    }


@needs_ray
def test_a_killed_workers_build_goes_on_and_is_the_same(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    requests = [ek.build_request(folder, target=name) for name in TARGETS]
    here = ek.build_many(requests, out=tmp_path / "here")
    assert [one.error for one in here] == [None, None]
    assert all(one.stages_run for one in here)

    (tmp_path / "shared").mkdir()
    monkeypatch.setenv("EDGEKIT_SHARED_CACHE", str(tmp_path / "shared"))
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "cache"))
    killed: list[int] = []

    def watch(states: Sequence[TaskState]) -> None:
        for state in states:
            current = state.current
            if current and not killed and state.stage not in BEGIN:
                killed.append(current.process)
                os.kill(current.process, signal.SIGKILL)

    locked = [
        replace(one, locked=lock_file.read(folder, one.target.name)) for one in requests
    ]
    there = ek.build_many(locked, out=tmp_path / "there", engine="ray", watch=watch)
    assert [one.error for one in there] == [None, None]
    [lost] = [one for one in there if len(one.attempts) > 1]
    assert [one.lost for one in lost.attempts] == [True, False]
    assert lost.attempts[0].process == killed[0]
    assert lost.stages_kept, "the first attempt's stages were in the store"
    for one, other in zip(here, there, strict=True):
        lock = lock_file.FILE
        same = artifacts(one.folder), artifacts(other.folder)
        assert {**same[0], lock: ""} == {**same[1], lock: ""}
        report = json.loads((other.folder / "report.json").read_text())
        assert not [n for n in report["notes"] if "machine" in n and "files" in n]
        assert other.bundle.report.target.name == one.name


@needs_ray
def test_a_project_that_fails_on_a_worker_is_named_with_its_own_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "cache"))
    (folder / "model.py").write_text("def build():\n    return 1 / 0\n")
    request = ek.build_request(folder, target="raspberrypi4")
    (tmp_path / "blocked").write_text("a file in the way")
    places = {"a": tmp_path / "a", "b": tmp_path / "blocked"}
    built, refused = ek.build_many(
        {"a": request, "b": request}, out=places, engine="ray"
    )
    assert "division by zero" in str(built.error)
    assert str(folder / "model.py") in str(built.error)
    assert built.error is not None and built.error.exit_code == 2
    assert "is a file" in str(refused.error) and not refused.attempts
    assert not (tmp_path / "a").exists()
