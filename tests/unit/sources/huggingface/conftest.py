"""A sound folder, made once, and a copy of it to damage."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.unit.sources.huggingface import folders  # which needs transformers

    folder = tmp_path_factory.mktemp("sound") / "folder"
    folders.distilbert(folder)
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A copy of the sound folder to damage."""
    place = tmp_path / "folder"
    place.mkdir()
    for file in sound.iterdir():
        (place / file.name).write_bytes(file.read_bytes())
    return place
