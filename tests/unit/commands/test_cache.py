"""`edgekit cache`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgekit.store import Store
from tests.conftest import Run
from tests.unit.store.test_entries import fill


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "cache"))
    store = Store()
    for name in ("one", "two"):
        fill(store, name)
    return store


def test_info_lists_what_is_kept(run: Run, cache: Store) -> None:
    status, out, _ = run("cache", "info", "--json")
    found = json.loads(out)
    assert (status, found["folder"]) == (0, str(cache.root))
    assert [(each["kind"], each["items"]) for each in found["kinds"]] == [("stage", 2)]
    assert found["bytes"] == found["kinds"][0]["bytes"] > 18000
    status, out, _ = run("cache", "info")
    assert status == 0
    assert "today" in out


def test_verify_names_the_damaged_and_removes_them(run: Run, cache: Store) -> None:
    assert run("cache", "verify")[:2] == (0, "2 entries, 0 damaged\n")
    (cache.root / "stage/two/seal.json").write_text("{}")
    status, out, error = run("cache", "verify")
    assert status == 4
    assert "damaged, removed: stage/two" in out
    assert "The next build makes them again" in " ".join(error.split())
    assert run("cache", "verify")[:2] == (0, "1 entries, 0 damaged\n")


def test_clean_goes_by_kind_age_and_size(run: Run, cache: Store) -> None:
    assert run("cache", "clean", "--older", "1")[1] == "0 removed, 0.0 MB\n"
    assert run("cache", "clean", "--keep", "1GB")[1] == "0 removed, 0.0 MB\n"
    status, _, error = run("cache", "clean", "nothing")
    assert status == 2
    assert "It has: stage" in error
    assert run("cache", "clean", "stage")[1].startswith("2 removed")
    assert cache.find("stage", "one") is None


def test_another_cache_imports_what_one_exports(
    run: Run, cache: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cache.tar"
    assert run("cache", "export", str(file))[0] == 0
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "other"))
    assert run("cache", "import", str(file))[:2] == (0, "2 entries taken\n")
    assert Store().find("stage", "one") is not None
    status, _, error = run("cache", "import", str(tmp_path / "none.tar"))
    assert status == 2
    assert "none.tar" in error
