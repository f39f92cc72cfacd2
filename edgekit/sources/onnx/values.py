"""Values of an ONNX graph while it is walked: tensors, and numbers known beforehand.

Numbers that are known (constants, shapes, and all that is computed from them) stay NumPy arrays:
shape arithmetic runs in Python and leaves nothing in the trace. A size that grows with the batch
is a `SymInt`; arrays that hold one have the dtype `object`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import SymBool, SymFloat, SymInt, Tensor

Known: TypeAlias = np.ndarray[Any, Any]
Value: TypeAlias = Tensor | Known

_SYMBOLS = (SymInt, SymFloat, SymBool)
_MOST = 1 << 26
"""Elements of an array that shape arithmetic may make."""


def symbolic(value: object) -> bool:
    """Return whether an array holds sizes that grow with the batch."""
    return isinstance(value, np.ndarray) and value.dtype == object


def known(value: Any) -> Known:
    """An array of the plainest dtype: `object` only where a size of the batch is in it."""
    array = np.asarray(value)
    if array.dtype != object:
        return array
    items = array.ravel().tolist()
    if any(isinstance(item, _SYMBOLS) for item in items):
        return array
    return np.array(items).reshape(array.shape)


def objects(items: Sequence[Any]) -> Known:
    """A vector of sizes, some of which may be symbolic."""
    array = np.empty(len(items), dtype=object)
    for place, item in enumerate(items):
        array[place] = item
    return known(array) if items else np.zeros(0, np.int64)


def numbers(value: Known) -> list[Any]:
    """The elements as Python numbers or symbols."""
    items: list[Any] = np.ravel(value).tolist()
    return items


def whole(value: Known) -> list[Any]:
    """The elements as sizes, axes or bounds: whole numbers or symbols."""
    return [item if isinstance(item, SymInt) else int(item) for item in numbers(value)]


def number(value: Known) -> Any:
    """The only element."""
    (item,) = numbers(value)
    return item


def limited(shape: Sequence[Any]) -> list[Any]:
    """`shape`, of an array that may be made. Raises `ValueError` for one that is too large."""
    total = 1
    for size in shape:
        total *= 1 if isinstance(size, SymInt) else int(size)
    if total > _MOST:
        raise ValueError(f"an array of shape {list(shape)} is too large")
    return list(shape)


def normalized(axis: int, rank: int) -> int:
    """An axis counted from the front. Raises `ValueError` outside of the rank."""
    if not -rank <= axis < max(rank, 1):
        raise ValueError(f"axis {axis} of {rank} dimensions")
    return axis % rank if rank else 0


def axes_of(axes: Sequence[int], rank: int) -> list[int]:
    """Axes that are not negative, for a tensor of `rank` dimensions."""
    return [normalized(int(axis), rank) for axis in axes]


def shape_of(value: Value) -> list[Any]:
    """The sizes of a value."""
    return list(value.shape)


def tensor_of(array: Known) -> Tensor:
    """A new tensor of an array's content; doubles and halves become single precision."""
    if not symbolic(array):
        tensor = torch.from_numpy(np.array(array))
        return tensor.float() if tensor.is_floating_point() else tensor
    return torch.stack([_scalar(item) for item in numbers(array)]).reshape(array.shape)


def _scalar(item: Any) -> Tensor:
    dtype = torch.int64 if isinstance(item, int | SymInt) else torch.float32
    return torch.scalar_tensor(item, dtype=dtype)
