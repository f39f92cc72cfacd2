"""Weights beside an ONNX file lie in its folder, and behind no link."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from edgekit.errors import UsageError
from edgekit.runtimes.onnxruntime import references
from tests.runtime.conftest import write_onnx

WORDS = "which is not inside it|is a link"


def outside(path: Path, place: str) -> Path:
    """The model, its weights kept at `place`."""
    model = onnx.load(write_onnx(path).path)
    [weight] = model.graph.initializer
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value=place)
    path.write_bytes(model.SerializeToString())
    return path


def test_weights_in_the_file_or_beside_it_are_sound(tmp_path: Path) -> None:
    references.check(write_onnx(tmp_path / "whole.onnx").path)
    (tmp_path / "w.bin").write_bytes(bytes(128))
    references.check(outside(tmp_path / "net.onnx", "w.bin"))


@pytest.mark.parametrize("place", ["../w.bin", "/etc/passwd"])
def test_weights_elsewhere_are_refused(tmp_path: Path, place: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "w.bin").write_bytes(bytes(128))
    with pytest.raises(UsageError, match=WORDS):
        references.check(outside(folder / "net.onnx", place))


def test_weights_behind_a_link_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "w.bin").write_bytes(bytes(128))
    (folder / "w.bin").symlink_to(tmp_path / "w.bin")
    with pytest.raises(UsageError, match=WORDS):
        references.check(outside(folder / "net.onnx", "w.bin"))
