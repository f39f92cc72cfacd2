"""A tensor in the order of the file or with its channels first."""

from __future__ import annotations

import pytest
import torch

from edgekit.program.channel_order import Value, agreed, ordered


@pytest.mark.parametrize("shape", [(2, 5, 6, 3), (2, 7, 3), (2, 3)])
def test_both_orders_are_the_same_value(shape: tuple[int, ...]) -> None:
    data = torch.rand(shape)
    as_stored = Value(data)
    moved = ordered(as_stored.channels_first())
    assert moved.shape == as_stored.shape == shape
    assert torch.equal(moved.last(), data)
    for axis in range(-len(shape), len(shape)):
        assert torch.equal(
            moved.data.select(moved.axis(axis), 1), Value(moved.data, True).data
            .select(moved.axis(axis % len(shape)), 1)
        )  # fmt: skip
        assert moved.data.shape[moved.axis(axis)] == shape[axis]


def test_values_agree_on_channels_first_where_one_has_them() -> None:
    image = torch.rand(2, 5, 6, 3)
    tensors, first = agreed([Value(image), ordered(image.movedim(-1, 1))])
    assert first
    assert torch.equal(*tensors)
    tensors, first = agreed([ordered(image.movedim(-1, 1)), Value(image[:, 0])])
    assert not first
    assert torch.equal(tensors[0], image)


def test_a_function_of_elements_keeps_the_order() -> None:
    made = ordered(torch.full((1, 3, 4, 4), -1.0)).mapped(torch.relu)
    assert made.first and made.data.sum() == 0
