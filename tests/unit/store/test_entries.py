from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgekit import store
from edgekit.errors import OutputError
from edgekit.store import Store


def test_the_same_parts_give_the_same_key() -> None:
    assert store.key("a", 1, {"x": 2, "y": 3}) == store.key("a", 1, {"y": 3, "x": 2})
    assert store.key("a", 1) != store.key("a", 2)


def test_an_entry_is_written_once(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    assert kept.find("stage", "one") is None
    first = kept.keep("stage", "one", lambda folder: (folder / "x").write_text("1"))
    again = kept.keep("stage", "one", lambda folder: (folder / "x").write_text("2"))
    assert first == again == kept.find("stage", "one")
    assert (first / "x").read_text() == "1"
    assert sorted(path.name for path in (tmp_path / "stage").iterdir()) == ["one"]


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("")
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        Store(tmp_path).keep("stage", "one", fail)
    assert list((tmp_path / "stage").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="EDGEKIT_CACHE"):
        Store(tmp_path / "file").keep("stage", "one", lambda folder: None)


# --- damage -----------------------------------------------------------------------------------


def fill(kept: Store, name: str) -> Path:
    """An entry with files, a folder and a link, all of whose bytes hang on its name."""
    drawn = random.Random(name)

    def write(folder: Path) -> None:
        (folder / "deep").mkdir()
        (folder / "data.bin").write_bytes(drawn.randbytes(9000))
        (folder / "deep/facts.json").write_text(f'{{"name": "{name}"}}')
        (folder / "link").symlink_to(f"deep/{name}")

    return kept.keep("stage", name, write)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): str(path.readlink()).encode()
        if path.is_symlink()
        else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def expected_loss_increase(root: Path, seed: int) -> tuple[Path, str]:
    """Damage one file below `root` in one of the ways that disks and people do."""
    draw = random.Random(seed)
    files = sorted(p for p in root.rglob("*") if p.is_file() and not p.is_symlink())
    victim = draw.choice(files)
    data = bytearray(victim.read_bytes())
    at = draw.randrange(len(data))
    kind = draw.choice(
        ["bit", "run", "truncate", "zeros", "empty", "swap", "append", "delete"]
    )
    if kind == "bit":
        data[at] ^= 1 << draw.randrange(8)
    elif kind == "run":
        data[at : at + 16] = draw.randbytes(len(data[at : at + 16]))
    elif kind == "truncate":
        del data[at:]
    elif kind == "zeros":
        page = at // 4096 * 4096
        data[page : page + 4096] = bytes(len(data[page : page + 4096]))
    elif kind == "empty":
        data.clear()
    elif kind == "swap":
        alike = [p for p in files if p.name == victim.name and p != victim] or [victim]
        data = bytearray(draw.choice(alike).read_bytes())
    elif kind == "append":
        data += draw.randbytes(100)
    victim.write_bytes(data)
    if kind == "delete":
        victim.unlink()
    return victim, kind


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_entry_is_made_again_with_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, seed: int
) -> None:
    names = ("one", "two")
    right = {name: contents(fill(Store(tmp_path), name)) for name in names}
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    victim, kind = expected_loss_increase(tmp_path, seed)
    changed = not victim.exists() or victim.read_bytes() != before[victim]
    again = Store(tmp_path)
    found = {name: contents(fill(again, name)) for name in names}
    assert found == right, (victim, kind)
    assert len(caplog.records) == changed, (victim, kind)
    assert all("made again" in record.getMessage() for record in caplog.records)
    caplog.clear()
    assert all(Store(tmp_path).find("stage", name) for name in names)
    assert not caplog.records


def test_a_swapped_or_renamed_entry_is_not_taken_for_another(tmp_path: Path) -> None:
    for name in ("one", "two"):
        fill(Store(tmp_path), name)
    stage = tmp_path / "stage"
    (stage / "one").rename(stage / "aside")
    (stage / "two").rename(stage / "one")
    (stage / "aside").rename(stage / "two")
    assert Store(tmp_path).find("stage", "one") is None
    assert Store(tmp_path).find("stage", "two") is None


def test_a_file_more_than_was_written_is_damage(tmp_path: Path) -> None:
    (fill(Store(tmp_path), "one") / "sitecustomize.py").write_text("")
    assert Store(tmp_path).find("stage", "one") is None


# --- full disks and killed processes ----------------------------------------------------------


@contextmanager
def file_limit(size: int) -> Iterator[None]:
    """No file may grow past `size` bytes: what a full disk or quota looks like to a writer."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_named_and_nothing_half_written_stays(tmp_path: Path) -> None:
    with (
        file_limit(4096),
        pytest.raises(OutputError, match=f"cache in {tmp_path} .*EDGEKIT_CACHE"),
    ):
        fill(Store(tmp_path), "one")
    assert list((tmp_path / "stage").iterdir()) == []


def test_what_a_killed_write_left_is_swept_by_the_next_command(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom edgekit.store import Store\n"
        "def write(folder):\n"
        "    (folder / 'half').write_text('half')\n"
        "    os.kill(os.getpid(), 9)\n"
        "Store(Path(sys.argv[1])).keep('stage', 'one', write)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path(store.__file__).parents[2])},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert len(list((tmp_path / "stage").iterdir())) == 1
    assert Store(tmp_path).find("stage", "one") is None
    assert list((tmp_path / "stage").iterdir()) == []


def test_entries_of_a_stage_are_listed_without_damaged_ones(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    assert kept.entries("stage") == []
    for name in ("b", "a", "c"):
        kept.keep("stage", name, lambda folder: (folder / "x").write_text("1"))
    (tmp_path / "stage/c/files/x").write_text("2")
    again = Store(tmp_path)
    assert [files.parent.name for files in again.entries("stage")] == ["a", "b"]
