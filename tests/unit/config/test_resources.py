"""Data files of the installation."""

from __future__ import annotations

import pytest

from edgekit.config.resources import shipped


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("targets", "raspberrypi4.toml"),
        ("calibration", "default.toml"),
        ("docker", "base.Dockerfile"),
        ("examples/digits", "edgekit.toml"),
    ],
)
def test_each_folder_is_there(name: str, file: str) -> None:
    assert (shipped(name) / file).is_file()
