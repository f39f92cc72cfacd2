"""A contract in the metadata of a file of openvino, read back."""

from __future__ import annotations

from pathlib import Path

from edgekit.runtimes.openvino import metadata
from tests.runtime.conftest import write_openvino
from tests.runtime.runtimes.conftest import reads_back


def test_the_text_is_read_back_and_the_file_stays(tmp_path: Path) -> None:
    reads_back(metadata, write_openvino(tmp_path / "model.xml").path)
