"""A release by one command."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml

from tests.unit.bench.test_trend import git
from tests.unit.test_habits import ROOT
from tools import release

CHANGELOG = """# Changelog

## [0.2.0] - unreleased

- New.

## [0.1.0] - 2020-01-01

- Old.
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    git(tmp_path, "config", "user.name", "a")
    git(tmp_path, "config", "user.email", "a@b")
    (tmp_path / "edgekit").mkdir()
    (tmp_path / "edgekit/__init__.py").write_text('__version__ = "0.1.0"\nX = 1\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "edgekit"\n')
    (tmp_path / ".gitignore").write_text("index\n")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package index on this machine; its folder."""
    folder = tmp_path / "index"
    folder.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}")
        yield folder
        server.shutdown()


def test_whose_the_name_is_is_said(checkout: Path, index: Path) -> None:
    assert "is free on http" in release.named_on_index(checkout)
    (index / "edgekit").mkdir()
    page = index / "edgekit/index.html"
    page.write_text('<a href="/x/edgekit-0.9.1-py3-none-any.whl#sha256=0">it</a>')
    said = release.named_on_index(checkout)
    assert "is another project's (0.9.1, no tags here)" in said
    page.write_text(
        '<a href="/x/edgekit-0.9.1.tar.gz#sha256=0">edgekit-0.9.1.tar.gz</a>'
    )
    git(checkout, "tag", "v0.9.1")
    assert "versions of this repository alone" in release.named_on_index(checkout)


def test_an_index_that_is_away_is_said(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    assert "could not be looked up" in release.named_on_index(checkout)


def shown(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout


def test_version_changelog_and_tag_agree(
    checkout: Path, index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release.main(["0.2.0"], checkout)
    assert "The name edgekit is free" in capsys.readouterr().out
    module = (checkout / "edgekit/__init__.py").read_text()
    assert module == '__version__ = "0.2.0"\nX = 1\n'
    changed = (checkout / "CHANGELOG.md").read_text()
    assert f"## [0.2.0] - {datetime.now(UTC).date()}\n\n- New." in changed
    assert "## [0.1.0] - 2020-01-01" in changed
    assert shown(checkout, "status", "--porcelain") == ""
    message = shown(checkout, "tag", "-n9", "--list", "v0.2.0")
    assert "- New." in message and "Old" not in message
    assert shown(checkout, "rev-parse", "v0.2.0^{}") == shown(
        checkout, "rev-parse", "HEAD"
    )


@pytest.mark.parametrize(
    ("spoil", "arguments", "words"),
    [
        ("", ["two"], "Name one version"),
        ("", [], "Name one version"),
        ("file", ["0.2.0"], "not committed"),
        ("tag", ["0.2.0"], "a tag v0.2.0 already"),
        ("section", ["0.2.0"], "has no section"),
    ],
)
def test_a_release_that_cannot_be_made_changes_nothing(
    checkout: Path, spoil: str, arguments: list[str], words: str
) -> None:
    if spoil == "file":
        (checkout / "new.txt").touch()
    elif spoil == "tag":
        git(checkout, "tag", "v0.2.0")
    elif spoil == "section":
        (checkout / "CHANGELOG.md").write_text("# Changelog\n")
        git(checkout, "commit", "-qam", "no section")
    before = (
        shown(checkout, "rev-parse", "HEAD"),
        shown(checkout, "status", "--porcelain"),
    )
    with pytest.raises(SystemExit, match=words):
        release.main(arguments, checkout)
    after = (
        shown(checkout, "rev-parse", "HEAD"),
        shown(checkout, "status", "--porcelain"),
    )
    assert after == before


def test_our_own_changelog_has_the_section() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert len(release._OPEN.findall(text)) == 1


def test_the_hook_for_others_runs_a_command_that_there_is() -> None:
    [hook] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    from tests.unit.test_doc_pages import refused

    assert refused(" ".join((hook["entry"], *hook["args"]))) is None
    assert hook["language"] == "python" and not hook["pass_filenames"]
