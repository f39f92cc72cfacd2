"""Tensors of a file as ONNX Runtime computes them, in a process of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from edgekit.sources.onnx.file_outputs import FileFails, outputs
from tests.unit.sources.onnx.agreement import by_runtime, drawn
from tests.unit.sources.onnx.models import classifier, make, saved


def test_tensors_within_the_graph_are_given_too(tmp_path: Path) -> None:
    path = classifier(tmp_path / "net.onnx")
    runs = [{"picture": drawn(1, 3, 8, 8, seed=n)} for n in range(2)]
    found = outputs(onnx.load(path), runs, ["r", "scores"])
    for given, (inner, scores) in zip(runs, found, strict=True):
        assert inner.shape == (1, 4, 8, 8) and inner.min() >= 0 < inner.max()
        np.testing.assert_allclose(scores, by_runtime(path, **given)[0], atol=1e-6)


def test_inputs_and_operators_that_are_not_needed_are_left_out(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "net.onnx",
        [make("Relu", ["x"], ["a"]), make("Unheard", ["other"], ["y"])],
        {"x": (1, 2), "other": (1, 2)},
        {"y": None},
    )
    ((found,),) = outputs(onnx.load(path), [{"x": np.float32([[-1, 2]])}], ["a"])
    assert found.tolist() == [[0, 2]]


def test_a_file_that_the_runtime_refuses_fails_in_its_words(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "net.onnx",
        [make("Unheard", ["x"], ["y"])],
        {"x": (1, 2)},
        {"y": None},
    )
    with pytest.raises(FileFails, match=r"does not run the file: .*Unheard") as error:
        outputs(onnx.load(path), [{"x": np.zeros((1, 2), np.float32)}], ["y"])
    assert "\n" not in str(error.value)
