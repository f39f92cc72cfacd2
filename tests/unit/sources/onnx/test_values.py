"""Numbers that are known while a graph is walked."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.export import Dim

from edgekit.sources.onnx import values


def test_sizes_of_the_batch_stay_symbols_and_nothing_else_does() -> None:
    seen: list[bool] = []

    class Shapes(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            sizes = values.objects([x.shape[0], 4])
            plain = values.known(np.array([x.shape[1], 4], object))
            seen.extend(map(values.symbolic, (sizes, plain)))
            assert isinstance(values.whole(sizes)[0], torch.SymInt)
            assert values.limited([x.shape[0], 4]) == [x.shape[0], 4]
            return x * values.tensor_of(sizes).sum()

    exported = torch.export.export(
        Shapes(), (torch.ones(3, 2),), dynamic_shapes=({0: Dim.DYNAMIC},)
    )
    assert seen[:2] == [True, False]
    assert exported.module()(torch.ones(5, 2))[0, 0] == 9


def test_axes_are_counted_from_the_front() -> None:
    assert values.axes_of([-1, 0, 1], 3) == [2, 0, 1]
    assert values.normalized(0, 0) == 0
    for axis in (3, -4):
        with pytest.raises(ValueError, match=f"axis {axis} of 3 dimensions"):
            values.normalized(axis, 3)


def test_arrays_of_shape_arithmetic_have_a_limit() -> None:
    assert values.limited([1 << 13, 1 << 13]) == [1 << 13, 1 << 13]
    with pytest.raises(ValueError, match="too large"):
        values.limited([1 << 13, (1 << 13) + 1])


def test_tensors_are_copies_in_single_precision() -> None:
    array = np.array([1.5, 2.5])
    tensor = values.tensor_of(array)
    array[0] = 0
    assert tensor.dtype == torch.float32 and tensor.tolist() == [1.5, 2.5]
    assert values.tensor_of(np.array([1])).dtype == torch.int64
