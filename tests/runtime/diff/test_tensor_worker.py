"""Artifacts taken apart in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.diff.tensor_worker import instrument
from edgekit.errors import ArtifactError
from tests.runtime.conftest import TinyModel


def test_operators_and_a_copy_that_shows_them(model: TinyModel, tmp_path: Path) -> None:
    copy = tmp_path / f"probing{model.path.suffix}"
    before = model.path.read_bytes()
    opened = instrument(model.path, copy)
    assert opened.steps and any(step.probe for step in opened.steps)
    assert [spec.shape for spec in opened.inputs] == [(1, 4)]
    assert copy.is_file() and model.path.read_bytes() == before


@pytest.mark.parametrize("name", ["a.onnx", "a.tflite", "a.xml"])
def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not a model at all")
    with pytest.raises(ArtifactError, match=f"Cannot read .*{name}") as error:
        instrument(tmp_path / name, tmp_path / f"copy-{name}")
    assert "\n" not in str(error.value)


def test_a_file_that_no_runtime_takes_apart_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "model.txt"
    other.write_text("not a model")
    with pytest.raises(ArtifactError, match="no runtime takes its graph apart"):
        instrument(other, tmp_path / "copy.txt")
