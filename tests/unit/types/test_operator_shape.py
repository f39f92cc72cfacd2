"""An operator's cell in a cost table, and its work, by its shapes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from edgekit.types.operator_shape import OperatorShape, operator_of

CONV = OperatorShape(
    kind="conv",
    inputs=6,
    outputs=12,
    size=(9, 11),
    kernel=(3, 2),
    stride=(2, 1),
    padding=(1, 0),
    dilation=(1, 3),
    groups=3,
    relu=True,
)
OTHERS = (
    OperatorShape(kind="linear", inputs=20, outputs=10, size=(3, 1)),
    OperatorShape(kind="pool", inputs=8, outputs=8, size=(12, 12), kernel=(2, 2)),
    OperatorShape(kind="elementwise", inputs=8, outputs=8, size=(144, 1)),
)


@pytest.mark.parametrize("operator", [CONV, *OTHERS], ids=lambda one: one.kind)
def test_a_cell_is_found_again_by_its_name(operator: OperatorShape) -> None:
    assert operator_of(operator.key) == operator


def test_a_convolution_is_as_large_as_torch_makes_it() -> None:
    layer = nn.Conv2d(6, 12, (3, 2), (2, 1), (1, 0), (1, 3), groups=3)
    made = layer(torch.zeros(1, 6, 9, 11))
    assert CONV.output_size == tuple(made.shape[2:])
    assert CONV.macs == made.numel() * layer.weight[0].numel()


def test_pooling_and_sums_count_no_products() -> None:
    assert [one.macs for one in OTHERS] == [600, 0, 0]
    assert OTHERS[2].output_size == (144, 1)
