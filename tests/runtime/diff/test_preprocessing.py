"""Faults of preprocessing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.runtime.diff.exported import compared, images, prepared


@pytest.mark.parametrize(
    ("feed", "fault"),
    [
        (lambda raw: prepared(raw)[:, ::-1], "BGR for RGB"),
        (lambda raw: (raw - 0.5) / 0.25, "0-255 for 0-1"),
        (lambda raw: prepared(raw).transpose(0, 2, 3, 1), "NHWC for NCHW"),
    ],
)
def test_a_fault_in_preprocessing_is_named(
    exported_project: Path,
    tmp_path: Path,
    feed: Callable[[np.ndarray], np.ndarray],
    fault: str,
) -> None:
    np.save(tmp_path / "fed.npy", feed(images()[:12]))
    found = compared(
        exported_project,
        exported_project / "files/onnxruntime-fp32.onnx",
        preprocessed=tmp_path / "fed.npy",
    )
    assert not found.agrees
    assert found.divergence is None
    [one] = found.preprocessing
    assert (one.where, one.faults) == ("fed", (fault,))
    assert "network as fed" in found.accuracy


def test_an_artifact_that_takes_another_order_of_channels_is_named(
    exported_project: Path, tmp_path: Path
) -> None:
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(exported_project / "files/onnxruntime-fp32.onnx"))
    [first] = [one for one in model.graph.initializer if one.name == "0.weight"]
    swapped = numpy_helper.to_array(first)[:, ::-1].copy()
    first.CopyFrom(numpy_helper.from_array(swapped, first.name))
    onnx.save_model(model, str(tmp_path / "bgr.onnx"))
    found = compared(exported_project, tmp_path / "bgr.onnx")
    assert not found.agrees
    assert found.divergence is None
    [one] = found.preprocessing
    assert (one.where, one.faults) == ("expected", ("BGR for RGB",))
