"""ONNX files read with care: names, and weights beside the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from edgekit.errors import ModelError
from edgekit.sources.onnx.loading import load
from tests.unit.sources.onnx.agreement import by_runtime, drawn, outputs
from tests.unit.sources.onnx.models import classifier


def test_a_name_that_is_not_a_text_is_refused(tmp_path: Path) -> None:
    path = classifier(tmp_path / "net.onnx")
    path.write_bytes(path.read_bytes().replace(b"head.bias", b"head\xffbias"))
    with pytest.raises(ModelError, match="not UTF-8"):
        load(path)


@pytest.mark.parametrize("place", ["../w.bin", "/etc/passwd", "missing.bin"])
def test_weights_outside_of_the_folder_are_not_read(tmp_path: Path, place: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    model = onnx.load(classifier(folder / "net.onnx"))
    (tmp_path / "w.bin").write_bytes(bytes(1 << 16))
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value=place)
    (folder / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError) as refused:
        load(folder / "net.onnx")
    assert "\n" not in str(refused.value)
    if place != "missing.bin":
        assert "outside of its folder" in str(refused.value)


def test_weights_beside_the_model_are_read(tmp_path: Path) -> None:
    path = classifier(tmp_path / "net.onnx")
    x = drawn(1, 3, 8, 8)
    expected = by_runtime(path, picture=x)
    onnx.save_model(
        onnx.load(path),
        path,
        save_as_external_data=True,
        location="w.bin",
        size_threshold=0,
    )
    np.testing.assert_allclose(outputs(load(path), x)[0], expected[0], atol=1e-6)


def test_nodes_in_any_order_are_read(tmp_path: Path) -> None:
    path = classifier(tmp_path / "net.onnx")
    model = onnx.load(path)
    turned = list(reversed(model.graph.node))
    del model.graph.node[:]
    model.graph.node.extend(turned)
    onnx.save(model, tmp_path / "turned.onnx")
    first, second = load(path), load(tmp_path / "turned.onnx")
    x = drawn(3, *first.inputs[0].shape)
    np.testing.assert_allclose(outputs(first, x)[0], outputs(second, x)[0], atol=1e-6)


def test_a_cycle_is_named(tmp_path: Path) -> None:
    model = onnx.load(classifier(tmp_path / "net.onnx"))
    first, last = model.graph.node[0], model.graph.node[-1]
    first.input[0] = last.output[0]
    onnx.save(model, tmp_path / "cycle.onnx")
    with pytest.raises(ModelError, match=r"Nothing in the ONNX graph gives|no inputs"):
        load(tmp_path / "cycle.onnx")
