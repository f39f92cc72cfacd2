"""A data set that is larger than one job of a device."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgekit.data import Dataset
from edgekit.data.samples import InMemory
from edgekit.devices.local import LocalDevice
from edgekit.evaluate import run
from edgekit.types import Artifact, Preprocess, TensorSpec


@pytest.fixture
def doubles(tmp_path: Path) -> Artifact:
    """A file that adds its input to itself."""
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3])
        for name in ("x", "y")
    ]
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])], "twice", ends[:1], ends[1:]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, tmp_path / "twice.onnx")
    specs = [TensorSpec(name=name, shape=(1, 3), dtype="float32") for name in "xy"]
    return Artifact(
        name="onnxruntime-fp32",
        runtime="onnxruntime",
        precision="fp32",
        files=(tmp_path / "twice.onnx",),
        inputs=(specs[0],),
        outputs=(specs[1],),
    )


def test_parts_of_a_large_data_set_are_jobs_of_their_own(
    doubles: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.arange(21, dtype=np.float32).reshape(7, 3)
    plain = Preprocess(scale=1.0)
    samples = InMemory(values=values)
    given = Dataset(samples, np.zeros(7, np.int64), labels=(), preprocess=plain)
    sizes: list[int] = []
    whole = run.run_on

    def counted(device: object, artifact: object, feeds: list[np.ndarray]) -> object:
        sizes.append(len(feeds[0]))
        return whole(device, artifact, feeds)  # type: ignore[arg-type]

    monkeypatch.setattr(run, "run_on", counted)
    monkeypatch.setattr(run, "_PART_BYTES", 3 * (3 * 4 + 8))
    found = run.infer_all(doubles, given, LocalDevice())
    assert sizes == [3, 2, 2]
    np.testing.assert_array_equal(found, 2 * values)
