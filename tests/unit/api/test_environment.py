"""Requests that no project file describes, and what they run in."""

from __future__ import annotations

from pathlib import Path

import pytest

import edgekit as ek
from edgekit.api.environment import (
    attached_environment,
    folder_at,
    profile,
    project_of,
)
from edgekit.errors import OutputError, TargetError, UsageError
from edgekit.pipeline.request import BuildRequest
from edgekit.progress import Silent
from tests.shapes import loader


def test_a_project_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = ek.Data(train=loader(32, seed=1))
    budget = ek.Budget(accuracy_drop=0.0, latency_ms=3)
    project = project_of(data, budget=budget)
    assert project.root == tmp_path
    assert set(project.priority) == {"latency_ms", "accuracy_drop"}
    assert project.data.preprocess.scale == 1
    assert project_of(data).priority == ()


def test_a_target_by_name_alias_and_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = profile("raspberrypi")
    assert profile(found) is found
    assert found.name.startswith("raspberrypi")
    with pytest.raises(TargetError, match="Did you mean"):
        profile("raspberypi4")


def test_an_address_that_is_not_a_device() -> None:
    project = project_of(ek.Data(train=loader(32, seed=1)))
    request = BuildRequest(project=project, target=profile("raspberrypi4"))
    with (
        pytest.raises(UsageError, match="is not a device"),
        attached_environment(request, device="pi", progress=Silent()),
    ):
        pass


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="Name another"):
        folder_at(tmp_path / "file" / "out")
    assert folder_at(tmp_path / "one" / "two").is_dir()
