"""The walk as a module: its arguments, and values that are too large to compute."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from edgekit.errors import ModelError
from edgekit.sources.onnx.graph import parsed
from edgekit.sources.onnx.module import OnnxModule, exported
from edgekit.sources.onnx.signature import signature
from tests.unit.sources.onnx.models import make, saved


def module_of(path: Path) -> OnnxModule:
    graph = parsed(onnx.load(path))
    return OnnxModule(graph, signature(graph, (), {}))


def test_inputs_become_arguments_of_their_names(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "net.onnx",
        [make("Sub", ["image/left", "2nd"], ["y"])],
        {"image/left": ("N", 3), "2nd": ("N", 3)},
        {"y": ("N", 3)},
    )
    module = module_of(path)
    assert list(inspect.signature(module.forward).parameters) == [
        "image_left",
        "input_2nd",
    ]
    given = torch.rand(4, 3), torch.rand(4, 3)
    found = exported(module).module()(*given)
    assert torch.equal(found, given[0] - given[1])


def test_values_too_large_to_compute_are_refused_before_they_are(
    tmp_path: Path,
) -> None:
    path = saved(
        tmp_path / "net.onnx",
        [make("Expand", ["x", "sizes"], ["wide"]), make("Relu", ["wide"], ["y"])],
        {"x": (1, 3)},
        {"y": None},
        {"sizes": np.array([1 << 20, 1 << 12, 3], np.int64)},
    )
    with pytest.raises(ModelError, match=r"'wide' of shape .* is too large"):
        module_of(path)


def test_an_output_without_the_batch_is_refused(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "net.onnx",
        [make("ReduceSum", ["x", "axes"], ["y"], keepdims=0)],
        {"x": ("N", 3)},
        {"y": None},
        {"axes": np.array([0], np.int64)},
    )
    with pytest.raises(ModelError, match=r"'y' of shape \[3\] has no dimension"):
        exported(module_of(path))
