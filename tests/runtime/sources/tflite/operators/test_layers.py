"""Layers with weights, pooling and resizing against LiteRT, one at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.runtime.sources.tflite.models import Single, agree, drawn

SINGLES = (
    Single(kind="CONV_2D", constants=[drawn(3, 3, 3, 4, seed=1), drawn(3, seed=2)],
           options=("Conv2DOptions", {"padding": 0, "strideW": 2, "strideH": 2,
                                      "fusedActivationFunction": 3})),
    Single(kind="CONV_2D", constants=[drawn(3, 2, 2, 4, seed=1), drawn(3, seed=2)],
           options=("Conv2DOptions", {"padding": 1, "strideW": 1, "strideH": 1,
                                      "dilationWFactor": 2, "dilationHFactor": 3})),
    Single(kind="DEPTHWISE_CONV_2D", constants=[drawn(1, 3, 3, 8, seed=1), drawn(8, seed=2)],
           options=("DepthwiseConv2DOptions", {"padding": 0, "strideW": 2, "strideH": 2,
                                               "depthMultiplier": 2})),
    Single(kind="TRANSPOSE_CONV", constants=[np.int32([1, 12, 10, 3]),
                                             drawn(3, 3, 3, 4, seed=1)], before=True,
           made=(1, 12, 10, 3),
           options=("TransposeConvOptions", {"padding": 0, "strideW": 2, "strideH": 2})),
    Single(kind="FULLY_CONNECTED", shape=(1, 7), rank=2,
           constants=[drawn(3, 7, seed=1), drawn(3, seed=2)],
           options=("FullyConnectedOptions", {"fusedActivationFunction": 1})),
    Single(kind="BATCH_MATMUL", shape=(1, 3, 4), rank=3, constants=[drawn(1, 5, 4, seed=1)],
           options=("BatchMatMulOptions", {"adjY": True})),
    *(Single(kind=kind, options=("Pool2DOptions", {
        "padding": 0, "strideW": 2, "strideH": 2, "filterWidth": 3, "filterHeight": 2}))
      for kind in ("MAX_POOL_2D", "AVERAGE_POOL_2D")),
    Single(kind="RESIZE_BILINEAR", constants=[np.int32([9, 4])],
           options=("ResizeBilinearOptions", {"halfPixelCenters": True})),
    Single(kind="RESIZE_BILINEAR", constants=[np.int32([9, 4])],
           options=("ResizeBilinearOptions", {"alignCorners": True})),
    Single(kind="RESIZE_NEAREST_NEIGHBOR", constants=[np.int32([12, 10])],
           options=("ResizeNearestNeighborOptions", {"halfPixelCenters": True})),
    Single(kind="DEPTH_TO_SPACE", options=("DepthToSpaceOptions", {"blockSize": 2})),
    Single(kind="SPACE_TO_DEPTH", shape=(1, 6, 4, 3),
           options=("SpaceToDepthOptions", {"blockSize": 2})),
)  # fmt: skip


@pytest.mark.parametrize("single", SINGLES, ids=lambda single: single.kind)
def test_an_operator_gives_what_litert_gives(tmp_path: Path, single: Single) -> None:
    agree(tmp_path / "model.tflite", single)
