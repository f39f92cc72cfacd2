"""The step of a staircase, read off costs: of rules, and of kernels as they were measured."""

from __future__ import annotations

import math

import pytest

from edgekit.cost.profile_device import tile_of

WIDTHS = (*range(2, 33, 2), *range(36, 65, 4))
# A 3x3 convolution from 16 channels at 32 x 32, by the width it writes. LiteRT 2.3 as a
# Cortex-A72, thousands of instructions, and on an AVX-512 host, microseconds; ONNX Runtime 1.31.
CORTEX_A72_FP32 = (
    *(305, 598, 891, 466, 918, 918, 920, 917, 1369, 1369, 1371, 1369, 1821, 1821, 1823),
    *(1821, 2272, 2272, 2738, 2738, 3190, 3189, 3641, 3641),
)
CORTEX_A72_INT8 = (
    *(393, 393, 395, 392, 760, 760, 762, 759, 1127, 1127, 1129, 1126, 1495, 1495, 1496),
    *(1494, 1862, 1861, 2229, 2228, 2596, 2595, 2963, 2962),
)
AVX512_FP32 = (
    *(46.3, 46.1, 46.2, 46.1, 46.2, 46.2, 46.3, 46.0, 91.9, 92.0, 92.0, 91.8, 92.0),
    *(91.9, 92.0, 92.6, 185.1, 185.7, 186.2, 185.5, 185.3, 185.3, 185.6, 185.5),
)
AVX512_INT8 = (
    *(12.7, 12.7, 12.7, 12.7, 12.7, 12.7, 12.7, 12.7, 25.0, 25.0, 25.0, 25.2, 25.1),
    *(25.1, 25.2, 25.1, 37.5, 37.5, 37.5, 37.4, 49.8, 49.8, 49.8, 49.8),
)
AVX512_ONNX_FP32 = (
    *(45.3, 45.3, 45.7, 46.9, 49.7, 52.0, 52.8, 47.0, 86.9, 86.6, 87.1, 88.0, 91.4),
    *(91.2, 95.0, 89.0, 127.5, 129.0, 135.1, 129.6, 170.8, 171.8, 177.7, 172.7),
)
AVX512_ONNX_INT8 = (
    *(46.1, 51.1, 57.4, 63.2, 68.4, 74.6, 80.3, 85.6, 91.5, 98.2, 102.6, 109.1, 115.1),
    *(119.8, 126.1, 132.2, 143.8, 154.5, 166.4, 178.3, 189.5, 201.1, 212.6, 224.4),
)


@pytest.mark.parametrize("tile", [4, 8, 16, 32])
def test_the_step_is_found(tile: int) -> None:
    assert tile_of({w: 10.0 + math.ceil(w / tile) for w in WIDTHS}) == tile


@pytest.mark.parametrize(
    ("costs", "tile"),
    [
        pytest.param(CORTEX_A72_FP32, 8, id="6 channels cost more than 8"),
        pytest.param(CORTEX_A72_INT8, 8, id="int8 as a Cortex-A72"),
        pytest.param(AVX512_FP32, 16, id="16, and beyond 32 channels 32"),
        pytest.param(AVX512_INT8, 16, id="16 throughout"),
        pytest.param(AVX512_ONNX_FP32, 16, id="a little more between the steps"),
        pytest.param(AVX512_ONNX_INT8, 1, id="a line"),
    ],
)
def test_the_step_of_kernels_as_measured(costs: tuple[float, ...], tile: int) -> None:
    assert tile_of(dict(zip(WIDTHS, costs, strict=True))) == tile


def test_a_line_has_no_step() -> None:
    assert tile_of({w: float(w) for w in WIDTHS}) == 1
