"""Constants of a file become named parameters and buffers, those that are used alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edgekit.sources.onnx.constants import dotted
from edgekit.sources.onnx.loading import load
from tests.unit.sources.onnx.agreement import drawn, outputs
from tests.unit.sources.onnx.models import make, saved, weights


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("/stem/conv/kernel:0", "stem.conv.kernel"),
        ("block::w 1", "block__w_1"),
        ("net.training.weight", "net.training_.weight"),
        ("//", "constant"),
    ],
)
def test_names_of_a_file_become_paths(name: str, path: str) -> None:
    assert dotted(name) == path


def test_a_weight_that_two_layers_share_is_one_parameter(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "net.onnx",
        [
            make("Gemm", ["x", "table"], ["h"], transB=1),
            make("Transpose", ["table"], ["back"], perm=[1, 0]),
            make("Gemm", ["h", "back"], ["y"], transB=1),
        ],
        {"x": (1, 4)},
        {"y": (1, 4)},
        weights(table=(6, 4)),
    )
    program = load(path)
    assert [name for name, _ in program.module.named_parameters()] == ["table"]
    x = drawn(2, 4)
    table = program.module.get_parameter("table")
    assert torch.allclose(
        torch.from_numpy(outputs(program, x)[0]),
        torch.from_numpy(x) @ table.T @ table,
        atol=1e-5,
    )


def test_masks_and_unnamed_numbers_are_not_trained(tmp_path: Path) -> None:
    constants = weights(w=(4, 4)) | {
        "mask": np.array([0, -1e9, 0, 0], np.float32),
        "onnx::Mul_3": np.array([1, 2, 3, 4], np.float32),
    }
    path = saved(
        tmp_path / "net.onnx",
        [
            make("Gemm", ["x", "w"], ["a"]),
            make("Mul", ["a", "onnx::Mul_3"], ["b"]),
            make("Add", ["b", "mask"], ["c"]),
            make("Softmax", ["c"], ["y"]),
        ],
        {"x": (1, 4)},
        {"y": (1, 4)},
        constants,
    )
    module = load(path).module
    assert [name for name, _ in module.named_parameters()] == ["w"]
    assert "mask" in dict(module.named_buffers())
