"""Tables that stay on the disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from edgekit.data import memory
from edgekit.data import parquet as tables
from edgekit.data.read_ahead import read_ahead
from edgekit.data.samples import Images
from tests.unit.data.test_load import BLUE, RED, encoded, failure, load

IMAGES = [{"bytes": encoded(RED if n % 2 else BLUE), "path": None} for n in range(6)]
NAMES = {"info": {"features": {"label": {"names": ["blue", "red"]}}}}


def table(rows: slice) -> Any:
    made = pa.table({"image": IMAGES[rows], "label": [n % 2 for n in range(6)][rows]})
    return made.replace_schema_metadata({"huggingface": json.dumps(NAMES)})


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder as `save_to_disk` writes it, in two files."""
    folder = tmp_path / "set"
    folder.mkdir()
    files = [f"data-{number:05}-of-00002.arrow" for number in range(2)]
    for name, rows in zip(files, (slice(0, 4), slice(4, 6)), strict=True):
        part = table(rows)
        with pa.ipc.new_stream(str(folder / name), part.schema) as writer:
            writer.write_table(part)
    state = {"_data_files": [{"filename": name} for name in files], "_split": "train"}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text("{}")
    return tmp_path


def test_a_saved_folder_is_read_in_the_order_of_its_files(saved: Path) -> None:
    found = load("set", saved)
    assert found.labels == ("blue", "red")
    assert found.targets.tolist() == [0, 1, 0, 1, 0, 1]
    colors = found.arrays()[0][:, :, 0, 0].tolist()
    assert colors == [list(color) for color in (BLUE, RED) * 3]
    assert found.fingerprint() == load("set", saved).fingerprint()


def test_workers_read_cells_of_a_saved_folder(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = load("set", saved).arrays()[0]
    monkeypatch.setattr(memory, "MEMORY", 0)
    parts = [np.array([5, 0]), np.array([2, 3])]
    found = read_ahead(load("set", saved), parts)
    for part, ((x,), _) in zip(parts, found, strict=True):
        np.testing.assert_array_equal(x, whole[part])


def test_splits_of_a_saved_folder_have_to_be_named(saved: Path) -> None:
    (saved / "set").rename(saved / "train")
    (saved / "all").mkdir()
    (saved / "train").rename(saved / "all/train")
    (saved / "all/dataset_dict.json").write_text('{"splits": ["train"]}')
    assert "all holds the splits train. Name one of them" in failure("all", saved)
    assert len(load("all/train", saved)) == 6


def test_a_saved_folder_that_is_damaged(saved: Path) -> None:
    file = saved / "set/data-00001-of-00002.arrow"
    file.write_bytes(file.read_bytes()[:100])
    assert "Cannot read" in failure("set", saved)
    file.unlink()
    assert "data-00001-of-00002.arrow as Arrow data (" in failure("set", saved)
    (saved / "set/state.json").write_text("{}")
    assert "state.json" in failure("set", saved)


def test_parquet_beyond_memory_is_unpacked_to_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "set").mkdir()
    for number, rows in enumerate((slice(0, 4), slice(4, 6))):
        pa.parquet.write_table(table(rows), tmp_path / f"set/{number}.parquet")
    held = load("set", tmp_path)
    monkeypatch.setattr(memory, "MEMORY", 0)
    monkeypatch.setattr(pa.parquet, "read_table", None)
    found = load("set", tmp_path)
    assert found.labels == held.labels and found.targets.tolist() == [0, 1] * 3
    np.testing.assert_array_equal(found.arrays()[0], held.arrays()[0])
    samples = found.columns[0].samples
    assert isinstance(samples, Images) and samples.by_workers


def test_a_disk_without_room_for_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pa.parquet.write_table(table(slice(0, 6)), tmp_path / "a.parquet")
    monkeypatch.setattr(memory, "MEMORY", 0)

    def full(_: str) -> Any:
        return type("Usage", (), {"free": 10})

    monkeypatch.setattr(tables.shutil, "disk_usage", full)
    assert "bytes; at most 5 fit" in failure("a.parquet", tmp_path)
