"""A contract in the metadata of a file of onnxruntime: read back, other entries kept."""

from __future__ import annotations

from pathlib import Path

import onnx

from edgekit.runtimes.onnxruntime import metadata
from tests.runtime.conftest import write_onnx
from tests.runtime.runtimes.conftest import reads_back


def test_the_text_is_read_back_and_the_file_stays(tmp_path: Path) -> None:
    reads_back(metadata, write_onnx(tmp_path / "model.onnx").path)


def test_entries_of_others_are_kept(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "model.onnx").path
    model = onnx.load(path)
    model.metadata_props.add(key="labels", value='["cat"]')
    onnx.save(model, path)
    metadata.embed(path, tmp_path / "out.onnx", {}, "text")
    kept = {p.key: p.value for p in onnx.load(tmp_path / "out.onnx").metadata_props}
    assert kept["labels"] == '["cat"]' and len(kept) == 2
