"""A contract in the metadata of a file of openvino: read back, other entries kept."""

from __future__ import annotations

from pathlib import Path

from edgekit.runtimes.openvino import metadata
from tests.runtime.conftest import write_openvino


def test_the_text_is_read_back_and_the_file_stays(tmp_path: Path) -> None:
    path = write_openvino(tmp_path / "model.xml").path
    before = path.read_bytes()
    out = tmp_path / "with-model.xml"
    assert metadata.extract(path) is None
    metadata.embed(path, out, {}, 'first "naïve" <text>')
    assert metadata.extract(out) == 'first "naïve" <text>'
    assert path.read_bytes() == before
    metadata.embed(out, tmp_path / "again-model.xml", {}, "second")
    assert metadata.extract(tmp_path / "again-model.xml") == "second"
