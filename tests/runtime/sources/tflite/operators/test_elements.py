"""Operators element by element, and reductions, against LiteRT, one at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.runtime.sources.tflite.models import Single, agree, drawn

SINGLES = (
    *(Single(kind=kind) for kind in ("RELU6", "HARD_SWISH", "TANH", "ELU", "ABS", "SQUARE")),
    Single(kind="GELU", options=("GeluOptions", {"approximate": True})),
    Single(kind="LEAKY_RELU", options=("LeakyReluOptions", {"alpha": 0.3})),
    Single(kind="PRELU", constants=[np.abs(drawn(1, 1, 4))]),
    Single(kind="SOFTMAX", options=("SoftmaxOptions", {"beta": 1.5})),
    Single(kind="LOG_SOFTMAX"),
    Single(kind="L2_NORMALIZATION", options=("L2NormOptions", {})),
    Single(kind="ADD", constants=[drawn(4)],
           options=("AddOptions", {"fusedActivationFunction": 1})),
    Single(kind="SUB", constants=[drawn(1, 6, 5, 4, seed=2)], before=True,
           options=("SubOptions", {})),
    Single(kind="MUL", constants=[drawn(1, 5, 1, seed=3)], options=("MulOptions", {})),
    Single(kind="SQUARED_DIFFERENCE", constants=[np.float32(0.5)]),
    Single(kind="MEAN", constants=[np.int32([1, 2])], rank=2,
           options=("ReducerOptions", {"keepDims": False})),
    Single(kind="SUM", constants=[np.int32([-1])],
           options=("ReducerOptions", {"keepDims": True})),
    Single(kind="REDUCE_MAX", constants=[np.int32([2])], rank=3,
           options=("ReducerOptions", {"keepDims": False})),
    Single(kind="REDUCE_PROD", constants=[np.int32([1, 3])], rank=2,
           options=("ReducerOptions", {"keepDims": False})),
    Single(kind="ARG_MAX", constants=[np.int32(3)], rank=3, dtype=np.int64,
           options=("ArgMaxOptions", {"outputType": 4})),
)  # fmt: skip


@pytest.mark.parametrize("single", SINGLES, ids=lambda single: single.kind)
def test_an_operator_gives_what_litert_gives(tmp_path: Path, single: Single) -> None:
    agree(tmp_path / "model.tflite", single)
