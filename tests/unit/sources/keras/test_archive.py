"""Damaged or foreign Keras files are refused, and nothing in them is run."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import h5py
import numpy as np

from tests.unit.sources.keras.files import DATA, refused


def test_weights_alone_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["dense/kernel:0"] = np.zeros(3)
    refused(tmp_path / "w.h5", "weights without their network", "model.save")


def test_a_cut_or_empty_file_is_refused(tmp_path: Path) -> None:
    for name in ("tokens.keras", "tokens.h5"):
        content = (DATA / name).read_bytes()
        for size in (0, 40, len(content) // 2):
            path = tmp_path / name
            path.write_bytes(content[:size])
            refused(path, name)


def test_code_named_in_an_archive_is_not_imported(tmp_path: Path) -> None:
    path = tmp_path / "evil.keras"
    with (
        zipfile.ZipFile(DATA / "tokens.keras") as sound,
        zipfile.ZipFile(path, "w") as made,
    ):
        for name in sound.namelist():
            content = sound.read(name)
            if name == "config.json":
                config = json.loads(content)
                config["config"]["layers"][1].update(
                    module="antigravity", registered_name="antigravity>Layer"
                )
                content = json.dumps(config).encode()
            made.writestr(name, content)
    refused(path, "author's own class")
