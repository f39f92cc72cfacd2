"""The step of a staircase, read off costs."""

from __future__ import annotations

import math

import pytest

from edgekit.board import tile_of

WIDTHS = (*range(2, 33, 2), *range(36, 65, 4))


@pytest.mark.parametrize("tile", [4, 8, 16, 32])
def test_the_step_is_found(tile: int) -> None:
    assert tile_of({w: 10.0 + math.ceil(w / tile) for w in WIDTHS}) == tile


def test_kernels_for_few_channels_do_not_mislead() -> None:
    """As counted on a Cortex-A72: 2 and 4 channels are cheap, 6 cost more than 8."""
    costs = {w: 100.0 * math.ceil(w / 8) for w in WIDTHS}
    assert tile_of({**costs, 2: 66.0, 4: 128.0, 6: 190.0}) == 8


def test_a_line_has_no_step() -> None:
    assert tile_of({w: float(w) for w in WIDTHS}) == 1
