from __future__ import annotations

import io
import json
import os
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from edgekit import scratch
from edgekit.errors import OutputError, UsageError
from edgekit.store import Store, upkeep
from tests.unit.store.test_entries import fill

DAY_S = 86400.0


def filled(root: Path) -> Store:
    """Entries of three ages, and a table that is a file."""
    store = Store(root)
    for days, name in enumerate(("new", "older", "oldest")):
        seal = fill(store, name).parent / "seal.json"
        then = time.time() - days * 10 * DAY_S
        os.utime(seal, (then, then))
    (root / "costs").mkdir()
    (root / "costs/one.sqlite").write_bytes(bytes(5000))
    return Store(root)


def names(items: list[upkeep.Item]) -> list[str]:
    return [one.name for one in items]


def test_items_are_listed_with_size_and_last_use(tmp_path: Path) -> None:
    found = upkeep.items(filled(tmp_path))
    assert names(found) == ["one.sqlite", "new", "older", "oldest"]
    assert [one.kind for one in found] == ["costs", *["stage"] * 3]
    assert all(9000 < one.size_bytes < 60000 for one in found[1:])
    days = [(time.time() - one.used) / DAY_S for one in found[1:]]
    assert days == pytest.approx([0, 10, 20], abs=0.01)
    assert upkeep.items(Store(tmp_path / "none")) == []


class Listed:
    """A folder's entries, as `os.scandir` gives them."""

    def __init__(self, entries: list[Any]) -> None:
        self._next = iter(entries)

    def __iter__(self) -> Listed:
        return self

    def __next__(self) -> Any:
        return next(self._next)

    def __enter__(self) -> Listed:
        return self

    def __exit__(self, *error: object) -> None:
        pass


def test_a_training_may_replace_its_files_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, folder = Store(tmp_path), tmp_path / "training/1"
    (folder / ".edgekit-partial").mkdir(parents=True)
    (folder / "checkpoint.pt").write_bytes(b"state")
    really = os.scandir

    def scandir(path: Any) -> Any:
        if Path(path) != folder:
            return really(path)
        with really(path) as entries:
            seen = [*entries]
        (folder / ".edgekit-partial").rmdir()
        return Listed(seen)

    monkeypatch.setattr(os, "scandir", scandir)
    (item,) = upkeep.items(store)
    assert item.path == folder
    assert item.size_bytes > 0


def test_reading_an_entry_is_a_use(tmp_path: Path) -> None:
    store = filled(tmp_path)
    store.find("stage", "oldest")
    used = {one.name: one.used for one in upkeep.items(store)}
    assert used["oldest"] > used["older"]


def test_verify_removes_what_is_not_as_it_was_written(tmp_path: Path) -> None:
    store = filled(tmp_path)
    assert upkeep.verify(store) == (3, [])
    harmed = tmp_path / "stage/older/files/data.bin"
    data = bytearray(harmed.read_bytes())
    data[7] ^= 1
    harmed.write_bytes(data)
    count, damaged = upkeep.verify(store)
    assert (count, names(damaged)) == (3, ["older"])
    assert upkeep.verify(store) == (2, [])
    assert Store(tmp_path).find("stage", "older") is None


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    store = filled(tmp_path)
    total = sum(one.size_bytes for one in upkeep.items(store))
    removed = upkeep.clean(store, limit_bytes=total - 1)
    assert names(removed) == ["oldest"]
    assert upkeep.clean(store, limit_bytes=total) == []
    assert names(upkeep.clean(store, older_s=5 * DAY_S)) == ["older"]
    assert names(upkeep.clean(store, ["costs"])) == ["one.sqlite"]
    assert names(upkeep.clean(store)) == ["new"]
    assert upkeep.items(store) == []


def test_builds_keep_to_the_limit_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = filled(tmp_path)
    assert upkeep.trim(store) == []
    monkeypatch.setenv(upkeep.LIMIT, "1KB")
    assert len(upkeep.trim(store)) == 4
    monkeypatch.setenv(upkeep.LIMIT, "much")
    with pytest.raises(
        UsageError, match=r"'much' cannot be read as a size. Write it as 500MB"
    ):
        upkeep.trim(store)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("512", 512),
        ("1.5 kB", 1500),
        ("20GB", 2 * 10**10),
        ("2TiB", 2 * 10**12),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert upkeep.size_of(text) == size


def test_an_unknown_kind_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no 'exprots'\. It has: costs, stage"):
        upkeep.clean(filled(tmp_path), ["exprots"])


def test_what_a_process_holds_stays(tmp_path: Path) -> None:
    store = filled(tmp_path)
    training = tmp_path / "training/one"
    training.mkdir(parents=True)
    with scratch.locked(training):
        assert "one" not in names(upkeep.clean(store))
    assert names(upkeep.clean(store)) == ["one"]


def test_another_cache_takes_what_was_exported(tmp_path: Path) -> None:
    store, file = filled(tmp_path / "from"), tmp_path / "cache.tar"
    (tmp_path / "from/stage/new/files/data.bin").write_bytes(b"damaged")
    assert upkeep.export(store, file) == 2
    other = Store(tmp_path / "to")
    assert upkeep.take(other, file) == (2, 0)
    assert upkeep.take(other, file) == (2, 0)  # again changes nothing
    mine, theirs = (one.find("stage", "older") for one in (store, other))
    assert mine is not None
    assert theirs is not None
    for path in mine.rglob("*"):
        if path.is_file():
            assert (theirs / path.relative_to(mine)).read_bytes() == path.read_bytes()


def test_damaged_entries_of_an_archive_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "cache.tar"
    with tarfile.open(file, "w") as archive:
        for name, content in (
            (
                "stage/one/seal.json",
                json.dumps({"entry": ["stage", "one"], "files": {}}),
            ),
            ("stage/one/files/x", "1"),
        ):
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content.encode()))
    assert upkeep.take(Store(tmp_path / "to"), file) == (0, 1)
    assert upkeep.items(Store(tmp_path / "to")) == []


@pytest.mark.parametrize("name", ["../outside/seal.json"])
def test_an_archive_writes_nowhere_else(tmp_path: Path, name: str) -> None:
    file = tmp_path / "cache.tar"
    with tarfile.open(file, "w") as archive:
        archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    root = tmp_path / "to"
    with pytest.raises(UsageError, match="cannot be read as an exported cache"):
        upkeep.take(Store(root), file)

    assert [path for path in root.iterdir() if path.name.startswith(".")] == []


def test_no_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no tar")
    with pytest.raises(UsageError, match="cannot be read as an exported cache"):
        upkeep.take(Store(tmp_path / "to"), tmp_path / "text")
    with pytest.raises(OutputError, match="archive in"):
        upkeep.export(Store(tmp_path), tmp_path / "text/inside.tar")
