"""Files that appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import OutputError
from edgekit.export.publish import publish, scratch
from edgekit.types import Artifact


def test_files_are_moved_into_the_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with scratch(out) as place:
        files = (place / "model.xml", place / "model.bin")
        for file in files:
            file.write_text(file.name)
        one = Artifact(
            name="one",
            runtime="openvino",
            precision="fp32",
            files=files,
            inputs=(),
            outputs=(),
        )
        published = publish(one, out)
    assert [file.parent for file in published.files] == [out, out]
    assert sorted(path.name for path in out.iterdir()) == ["model.bin", "model.xml"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(OutputError, match="Cannot write to"),
        scratch(tmp_path / "file" / "out"),
    ):
        pass
