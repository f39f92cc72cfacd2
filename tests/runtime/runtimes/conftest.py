"""The networks, and the process that exports them, that tests of exports have too."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.runtimes import contract
from tests.runtime.conftest import write_tflite
from tests.runtime.export.conftest import (
    apart,
    convolutional_network,
    folder,
    made,
    network,
    two_inputs,
    want,
)

__all__ = [
    "apart",
    "convolutional_network",
    "folder",
    "made",
    "network",
    "two_inputs",
    "want",
]


@pytest.fixture
def tflite(tmp_path: Path) -> Path:
    """A tiny file with a contract in it."""
    from tests.runtime.runtimes.test_contract import CONTRACT

    model = write_tflite(tmp_path / "model.tflite")
    contract.embed(model.path, CONTRACT)
    return model.path
