"""Data sets on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.data.test_load import BLUE, LOADER, RED, picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "b.png"):
        picture(tmp_path / "set" / "red" / name, RED)
    picture(tmp_path / "set" / "blue" / "deep" / "c.png", BLUE, size=(12, 8))
    return tmp_path


@pytest.fixture
def loader(tmp_path: Path) -> Path:
    (tmp_path / "loader.py").write_text(LOADER)
    return tmp_path
