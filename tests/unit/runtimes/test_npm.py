"""Locks of packages of npm: every one has its hash, and none names a registry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgekit.errors import RuntimeMissing
from edgekit.package.web import packaging
from edgekit.runtimes import browser, npm
from edgekit.store import Store

LOCKS = [*(one.folder for one in browser.known().values()), packaging.TOKENIZERS]


@pytest.mark.parametrize("folder", LOCKS, ids=lambda f: f.parts[-2])
def test_every_package_is_pinned_by_its_hash(folder: Path) -> None:
    text = (folder / "package-lock.json").read_text("utf-8")
    assert "resolved" not in text and "://" not in text
    found = npm.locked(folder)
    assert found and all(len(one.sha512) == 128 for one in found)
    needed = json.loads((folder / "package.json").read_text())["dependencies"]
    for name, version in needed.items():
        assert npm.version(folder, name) == version


def test_without_npm_the_fix_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeMissing, match="apt-get install npm"):
        npm.installed(LOCKS[0], ["*"], Store(tmp_path / "store"))
    assert not list((tmp_path / "store/npm").iterdir())
