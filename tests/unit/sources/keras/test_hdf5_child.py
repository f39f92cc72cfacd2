"""An HDF5 file has its own numbers in it, and no more than fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest

from tests.unit.sources.keras.files import INPUT, listed, refused, sequential


def _soft(file: Any, secret: Path) -> None:
    file["model_weights/d"] = h5py.SoftLink("/elsewhere")


def _external(file: Any, secret: Path) -> None:
    file["model_weights/d"] = h5py.ExternalLink(str(secret), "/")


def _outside(file: Any, secret: Path) -> None:
    file.create_dataset("d", (4,), "f4", external=[(str(secret), 0, 16)])


def _bomb(file: Any, secret: Path) -> None:
    file.create_dataset("d", (1 << 40,), "f4", chunks=(1 << 20,), compression="gzip")


def _objects(file: Any, secret: Path) -> None:
    file.create_dataset("d", (2,), h5py.string_dtype())


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (_soft, "link"),
        (_external, "link"),
        (_outside, "another file"),
        (_bomb, "memory"),
        (_objects, "not numbers"),
    ],
)
def test_nothing_outside_the_file_is_read_and_nothing_unpacks_without_bound(
    tmp_path: Path, plant: Callable[[Any, Path], None], said: str
) -> None:
    path = listed(tmp_path / "model.h5", sequential(INPUT), {"x": []}, "2.4.0")
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(64))
    with h5py.File(path, "a") as file:
        plant(file, secret)
    refused(path, said)
