from __future__ import annotations

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
