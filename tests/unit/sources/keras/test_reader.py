"""A Keras file as a network of named inputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.sources.keras.files import (
    DEFINITIONS,
    FILES,
    LAYERS,
    listed,
    refused,
    sequential,
)


def test_there_are_files_of_both_forms() -> None:
    assert sum(name.endswith(".keras") for name in FILES) >= 15
    assert sum(name.endswith(".h5") for name in FILES) >= 4


@pytest.mark.parametrize("families", [LAYERS, DEFINITIONS])
def test_every_file_is_of_one_family(families: dict[str, tuple[str, ...]]) -> None:
    assert sorted(name for names in families.values() for name in names) == FILES


def test_sizes_that_the_file_leaves_free_are_requested(tmp_path: Path) -> None:
    free = {
        "class_name": "InputLayer",
        "config": {"name": "x", "batch_input_shape": [None, None]},
    }
    path = listed(tmp_path / "free.h5", sequential(free), {"x": []}, "2.4.0")
    refused(path, "'x'", "leaves sizes free", "[model] input")
