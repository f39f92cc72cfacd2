"""One decoder of each family, written once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a family by its name in `folders.FAMILIES`, with a tokenizer."""
    from tests.unit.decoders import folders

    @functools.cache
    def make(name: str) -> Path:
        folder = tmp_path_factory.mktemp("decoders") / name
        folders.write(folder, name)
        folders.add_tokenizer(folder)
        return folder

    return make
