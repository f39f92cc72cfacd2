"""`edgekit history` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.unit.bench.test_trend import committed as committed
from tests.unit.bench.test_trend import document


def test_a_folder_becomes_a_table_and_a_page(run: Run, tmp_path: Path) -> None:
    for day in (1, 2):
        text = json.dumps(document(f"2026-11-0{day}T00:00:00+00:00", size=day))
        (tmp_path / f"{day}.json").write_text(text)
    page = tmp_path / "out" / "page.html"
    code, out, err = run("history", tmp_path, "--out", page)
    assert code == 0, err
    assert "2.00 (+100%)" in out and str(page) in out.replace("\n", "")
    assert "Size of the files (MiB)" in page.read_text()
    _, asked, _ = run("history", tmp_path, "--out", page, "--json", "--last", "1")
    [entry] = json.loads(asked)
    assert entry["label"] == "2.json" and entry["artifacts"][0]["size_mb"] == 2


def test_commits_are_named_by_their_hashes(run: Run, committed: Path) -> None:
    page = committed.parents[1] / "page.html"
    _, out, _ = run("history", committed, "--git", "--out", page, "--json")
    titles = [entry["title"] for entry in json.loads(out)]
    assert titles == ["size 1", "size 2", "size 3"]
    assert "size 2" in page.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--revisions", "a..b"), "Add --git"),
        (("--out", "."), "is a folder"),
        ((), "There is no report"),
    ],
)
def test_mistakes_are_one_line(
    run: Run, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    code, _, err = run("history", tmp_path, *words)
    assert code == 2
    assert message in err and len(err.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
