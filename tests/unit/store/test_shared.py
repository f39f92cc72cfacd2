"""A shared second level of the cache: read and written through, verified, and never in the way."""

from __future__ import annotations

import json
import logging
import tarfile
import uuid
from pathlib import Path

import fsspec
import pytest

from edgekit.progress import Silent
from edgekit.store import Json, Shared, Stage, Store, kept
from tests.conftest import Run

STAGE = Stage(kind="exports", inputs={"network": "one"}, record=Json[int](int))


@pytest.fixture(params=["folder", "file", "memory"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A shared cache that is there, empty."""
    if request.param == "memory":
        return f"memory://{uuid.uuid4().hex}"
    place = tmp_path / "shared"
    place.mkdir()
    return str(place) if request.param == "folder" else place.as_uri()


def built(root: Path, value: int = 7, stage: Stage[int] = STAGE) -> tuple[int, bool]:
    """The stage's value in a cache, and whether it was kept."""
    store = Store(root)
    found = kept(store, stage, lambda: value, Silent())
    return found, store.outcomes[-1].kept


def objects(address: str) -> list[str]:
    system, root = fsspec.core.url_to_fs(address)
    return sorted(path.removeprefix(f"{root}/") for path in system.find(root))


def test_another_cache_has_what_the_first_one_made(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEKIT_SHARED_CACHE", address)
    assert built(tmp_path / "one") == (7, False)
    assert objects(address) == [f"exports/{STAGE.name}.tar"]
    assert built(tmp_path / "two", 8) == (7, True)
    monkeypatch.delenv("EDGEKIT_SHARED_CACHE")
    assert built(tmp_path / "two", 8) == (7, True)
    assert not list(tmp_path.rglob(".*edgekit-*"))


def test_results_of_one_machine_are_not_shared(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEKIT_SHARED_CACHE", address)
    own = Stage(
        kind="measurements", inputs={"n": 1}, record=Json[int](int), portable=False
    )
    assert built(tmp_path / "one", stage=own) == (7, False)
    assert objects(address) == []
    assert built(tmp_path / "two", 8, stage=own) == (8, False)


def spoiled(content: bytes, way: str, folder: Path) -> bytes:
    """A tar file that was cut short, is of text, or has another value in it."""
    if way != "value":
        return content[: len(content) // 2] if way == "half" else b"no tar at all"
    packed = folder / "packed.tar"
    packed.write_bytes(content)
    with tarfile.open(packed) as archive:
        archive.extractall(folder / "entry", filter="data")
    (folder / "entry/files/value.json").write_text("9")
    with tarfile.open(packed, "w") as archive:
        for part in (folder / "entry").iterdir():
            archive.add(part, arcname=part.name)
    return packed.read_bytes()


@pytest.mark.parametrize("way", ["value", "half", "text"])
def test_a_damaged_entry_is_made_again_and_never_believed(
    address: str, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    monkeypatch.setenv("EDGEKIT_SHARED_CACHE", address)
    built(tmp_path / "one")
    system, root = fsspec.core.url_to_fs(address)
    place = f"{root}/exports/{STAGE.name}.tar"
    system.pipe_file(place, spoiled(system.cat_file(place), way, tmp_path))
    with caplog.at_level(logging.WARNING):
        assert built(tmp_path / "two", 8) == (8, False)
    assert len(caplog.records) == 1
    assert built(tmp_path / "three", 10) == (8, True)


@pytest.mark.parametrize(
    "address",
    ["/no/such/disk", "file:///no/such/disk", "nothing://bucket/place"],
)
def test_one_that_is_away_is_said_once_and_the_build_goes_on(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    monkeypatch.setenv("EDGEKIT_SHARED_CACHE", address)
    store = Store(tmp_path)
    with caplog.at_level(logging.WARNING):
        for number in range(3):
            stage = Stage(kind="exports", inputs={"n": number}, record=Json[int](int))
            assert kept(store, stage, lambda: 7, Silent()) == 7
    [record] = caplog.records
    assert address in record.getMessage()
    assert "goes on without it" in record.getMessage()
    assert not Path("/no").exists()


def test_a_password_is_not_shown() -> None:
    shared = Shared("ftp://me:secret@host/cache")
    assert shared.shown == "ftp://host/cache"


def test_info_shows_it(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.setenv("EDGEKIT_SHARED_CACHE", address)
    built(tmp_path / "one")
    _, out, _ = run("cache", "info", "--json")
    found = json.loads(out)["shared"]
    assert (found["address"], found["entries"], found["fault"]) == (address, 1, None)
    assert found["bytes"] > 0
    monkeypatch.setenv("EDGEKIT_SHARED_CACHE", "/no/such/disk")
    _, out, _ = run("cache", "info")
    assert "/no/such/disk: cannot be used" in " ".join(out.split())
