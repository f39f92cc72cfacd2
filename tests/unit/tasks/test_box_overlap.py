"""Overlap of boxes, by hand."""

from __future__ import annotations

import pytest
import torch

from edgekit.tasks.box_overlap import corners, generalized_iou

ONE = (0.0, 0.0, 4.0, 2.0)
"""Of area 8."""


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (ONE, 1.0),
        # 2 x 2 in common, 8 + 8 - 4 = 12 covered of a box of 6 x 2: nothing is left over.
        ((2.0, 0.0, 6.0, 2.0), 4 / 12),
        # 2 x 1 in common, 8 + 8 - 2 = 14 covered of 6 x 3 = 18.
        ((2.0, 1.0, 6.0, 3.0), 2 / 14 - (18 - 14) / 18),
        # Nothing in common, 8 + 1 covered of 10 x 2 = 20.
        ((9.0, 1.0, 10.0, 2.0), -11 / 20),
        # Within: 1 in common of 8.
        ((1.0, 0.0, 2.0, 1.0), 1 / 8),
    ],
)
def test_the_overlap_less_what_neither_covers(
    other: tuple[float, ...], expected: float
) -> None:
    pair = torch.tensor([ONE]), torch.tensor([other])
    assert generalized_iou(*pair).item() == pytest.approx(expected, abs=1e-6)
    assert generalized_iou(*pair[::-1]).item() == pytest.approx(expected, abs=1e-6)


def test_boxes_that_lie_apart_are_pulled_together() -> None:
    box = torch.tensor([[0.0, 0.0, 1.0, 1.0]], requires_grad=True)
    far = torch.tensor([[5.0, 0.0, 6.0, 1.0]])
    (1 - generalized_iou(box, far)).sum().backward()
    assert box.grad is not None
    assert box.grad[0, 2] < 0 and box.grad.isfinite().all()


def test_centers_and_sizes_as_corners() -> None:
    given = torch.tensor([[[3.0, 4.0, 2.0, 6.0]]])
    assert corners(given).tolist() == [[[2.0, 1.0, 4.0, 7.0]]]
