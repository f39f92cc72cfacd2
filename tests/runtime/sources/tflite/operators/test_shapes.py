"""Operators that move elements against LiteRT, one at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.runtime.sources.tflite.models import Single, agree

SINGLES = (
    Single(kind="RESHAPE", constants=[np.int32([1, 30, 4])], rank=3),
    Single(kind="SQUEEZE", shape=(1, 1, 5, 4), rank=3,
           options=("SqueezeOptions", {"squeezeDims": [1]})),
    Single(kind="EXPAND_DIMS", shape=(1, 5, 4), constants=[np.int32(1)]),
    Single(kind="TRANSPOSE", constants=[np.int32([0, 2, 1, 3])]),
    Single(kind="PAD", constants=[np.int32([[0, 0], [1, 2], [0, 1], [0, 0]])]),
    Single(kind="MIRROR_PAD", constants=[np.int32([[0, 0], [1, 2], [0, 1], [0, 0]])],
           options=("MirrorPadOptions", {"mode": 0})),
    Single(kind="SLICE", made=(1, 3, 5, 2),
           constants=[np.int32([0, 1, 0, 2]), np.int32([1, 3, -1, 2])]),
    Single(kind="STRIDED_SLICE", rank=3,
           constants=[np.int32([0, 1, 2, 0]), np.int32([1, 6, 3, 4]), np.int32([1, 2, 1, 1])],
           options=("StridedSliceOptions", {"beginMask": 1, "endMask": 1,
                                            "shrinkAxisMask": 4})),
    Single(kind="CONCATENATION", twice=True,
           options=("ConcatenationOptions", {"axis": 2})),
    Single(kind="SPLIT", constants=[np.int32(3)], before=True, outputs=2,
           options=("SplitOptions", {"numSplits": 2})),
    Single(kind="PACK", shape=(1, 5, 4), twice=True,
           options=("PackOptions", {"valuesCount": 2, "axis": 1})),
    Single(kind="UNPACK", shape=(1, 2, 5, 4), rank=3, outputs=2,
           options=("UnpackOptions", {"num": 2, "axis": 1})),
    Single(kind="GATHER", constants=[np.int32([2, 0])],
           options=("GatherOptions", {"axis": 3})),
    Single(kind="TILE", constants=[np.int32([1, 2, 1, 3])]),
    Single(kind="REVERSE_V2", constants=[np.int32([2])]),
    Single(kind="CUMSUM", constants=[np.int32(1)],
           options=("CumsumOptions", {"exclusive": False, "reverse": False})),
)  # fmt: skip


@pytest.mark.parametrize("single", SINGLES, ids=lambda single: single.kind)
def test_an_operator_gives_what_litert_gives(tmp_path: Path, single: Single) -> None:
    agree(tmp_path / "model.tflite", single)
