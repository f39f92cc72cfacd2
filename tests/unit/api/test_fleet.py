"""Many builds from Python."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

import edgekit as ek
from edgekit.errors import (
    FarmError,
    LockError,
    OutputError,
    ProjectError,
    UsageError,
)
from tests.unit.pipeline import points


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return points.write(tmp_path)


def test_a_request_is_a_record_of_a_project(folder: Path) -> None:
    settings = ["recipe.seed=3", "recipe.distill.epochs=2"]
    request = ek.build_request(folder, target="raspberrypi", settings=settings)
    assert request.target.name == "raspberrypi4"
    recipe = request.project.recipe
    assert (recipe.seed, recipe.distill.epochs) == (3, 2)
    assert request.lock_folder == folder and request.locked is None
    assert pickle.loads(pickle.dumps(request)) == request
    with pytest.raises(ProjectError, match="recipe"):
        ek.build_request(folder, target="host", settings=["recipe.sed=1"])
    with pytest.raises(LockError, match=r"No .*edgekit\.lock"):
        ek.build_request(folder, target="host", locked=True)


def test_two_builds_of_one_name_are_refused(folder: Path) -> None:
    request = ek.build_request(folder, target="host")
    with pytest.raises(UsageError, match="Two requests are for host"):
        ek.build_many([request, request])
    with pytest.raises(UsageError, match=r"'\.\./host' cannot have a folder"):
        ek.build_many({"../host": request})


def test_a_cluster_needs_a_shared_cache(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EDGEKIT_SHARED_CACHE", raising=False)
    request = ek.build_request(folder, target="host")
    with pytest.raises(UsageError, match="Set EDGEKIT_SHARED_CACHE"):
        ek.build_many([request], engine="ray", address="auto")
    with pytest.raises(UsageError, match="Set EDGEKIT_SHARED_CACHE"):
        ek.build_many([request], engine="slurm")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"engine": "rey"}, "No engine 'rey'. Known: local, ray, slurm"),
        ({"cpus": 1.5}, r"cpus = 1\.5: a build has a fraction"),
        ({"cpus": 0}, "cpus = 0"),
        ({"gpus": -1}, "gpus = -1"),
    ],
)
def test_amounts_and_engines(
    folder: Path, given: dict[str, Any], expected: str
) -> None:
    request = ek.build_request(folder, target="host")
    with pytest.raises(UsageError, match=expected):
        ek.build_many([request], **given)


def test_a_file_of_devices_is_read_first(folder: Path) -> None:
    request = ek.build_request(folder, target="host")
    (folder / "devices.toml").write_text("[[devices]]\n")
    with pytest.raises(FarmError, match="Did you mean 'device'"):
        ek.build_many([request], devices=folder)


def test_one_failed_build_ends_no_other(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/first").write_text("a file in the way")
    (tmp_path / "out/second").write_text("a file in the way")
    request = ek.build_request(folder, target="host")
    results = ek.build_many({"first": request, "second": request}, out=tmp_path / "out")
    assert [one.name for one in results] == ["first", "second"]
    for one in results:
        assert isinstance(one.error, OutputError) and one.report is None
        assert len(one.attempts) == 1
        with pytest.raises(OutputError, match="is a file"):
            _ = one.bundle
