"""Projects and bundles from one cache to another, through the shared one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.config import project
from edgekit.errors import OutputError, ProjectError
from edgekit.pipeline.fleet import transport
from edgekit.store import Store, upkeep
from tests.unit.pipeline import points


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with what a folder has besides."""
    root = tmp_path / "project"
    root.mkdir()
    points.write(root)
    data = tmp_path / "disk"
    data.mkdir()
    (data / "samples.npz").write_bytes(b"samples")
    (data / "circle").symlink_to(root)
    (root / "data").symlink_to(data)
    for name in (".git/HEAD", "__pycache__/model.pyc", "build/host/model.tflite"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text("not of the project")
    return root


def kept(root: Path, store: Store) -> str:
    one = project.load(root)
    return transport.keep_project(one, store, without=[one.root / "build"])


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Store, Store]:
    """The caches of two machines, with a shared one."""
    (tmp_path / "shared").mkdir()
    monkeypatch.setenv("EDGEKIT_SHARED_CACHE", str(tmp_path / "shared"))
    return Store(tmp_path / "one"), Store(tmp_path / "two")


def test_another_machine_has_the_projects_files(
    folder: Path, two: tuple[Store, Store]
) -> None:
    one, other = two
    name = kept(folder, one)
    with transport.project_files(other, name) as copy:
        files = sorted(p.relative_to(copy).as_posix() for p in copy.rglob("*.*"))
        assert files == ["data/samples.npz", "edgekit.toml", "loader.py", "model.py"]
        assert project.load(copy).model == project.load(folder).model
        (copy / "model.py").write_text("rewritten")
        (copy / "cached.txt").write_text("beside it")
    assert not copy.exists()
    assert upkeep.verify(other) == (1, []), "the copy is written to, not the entry"


def test_the_same_files_are_the_same_entry(
    folder: Path, two: tuple[Store, Store], tmp_path: Path
) -> None:
    one, other = two
    name = kept(folder, one)
    (tmp_path / "elsewhere").mkdir()
    moved = points.write(tmp_path / "elsewhere")
    (moved / "data").symlink_to(tmp_path / "disk")
    (tmp_path / "disk/circle").unlink()
    assert kept(moved, other) == name
    (moved / "loader.py").write_text(f"{points.LOADER}\n# another\n")
    assert kept(moved, other) != name


def test_a_bundle_comes_back(two: tuple[Store, Store], tmp_path: Path) -> None:
    one, other = two
    (tmp_path / "bundle/candidates").mkdir(parents=True)
    (tmp_path / "bundle/candidates/model.tflite").write_bytes(b"model")
    name = transport.keep_bundle(tmp_path / "bundle", one)
    files = transport.bundle_files(other, name)
    assert (files / "candidates/model.tflite").read_bytes() == b"model"


@pytest.mark.parametrize("path", ["../data", "data/../../other", "../loader.py:train"])
def test_a_path_out_of_the_folder_is_refused(
    path: str, folder: Path, two: tuple[Store, Store]
) -> None:
    one = project.load(folder)
    outside = replace(one, data=replace(one.data, train=path))
    with pytest.raises(ProjectError, match=r"data\.train = .* is outside"):
        transport.keep_project(outside, two[0], without=[])


def test_a_shared_cache_that_is_away_is_an_error(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEKIT_SHARED_CACHE", str(tmp_path / "no/such/disk"))
    with pytest.raises(OutputError, match=r"no/such/disk cannot be used"):
        kept(folder, Store(tmp_path / "one"))


def test_what_nobody_left_is_named(tmp_path: Path) -> None:
    store = Store(tmp_path / "one")
    with pytest.raises(OutputError, match=r"one has no entry built/abc"):
        transport.bundle_files(store, "abc")
    with (
        pytest.raises(OutputError, match="no entry projects/abc"),
        transport.project_files(store, "abc"),
    ):
        pass
