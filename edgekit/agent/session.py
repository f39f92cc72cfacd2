"""Interface of a runtime: a loaded model that can be bound, run and read apart.

The three are apart so that the clock sees the same thing on every runtime. **The timed region is
`invoke()` alone**: inputs already lie in memory that the runtime reads directly, outputs stay in
memory that the runtime owns or was given beforehand. Copies in and out, and any change of the
sample, are outside of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from .errors import INPUTS_INVALID, AgentError

ALIGNMENT = 64


class Quantization(NamedTuple):
    """`real = scale * (stored - zero_point)`, one pair for the whole tensor."""

    scale: float
    zero_point: int


class TensorInfo(NamedTuple):
    """Name, shape, dtype and quantization of an input or output."""

    name: str
    shape: tuple[int, ...]  # the batch dimension included
    dtype: str  # numpy's name
    quantization: Quantization | None = None


class Session(Protocol):
    """Interface of a runtime: a loaded model that can be bound, run and read apart."""

    inputs: list[TensorInfo]
    outputs: list[TensorInfo]

    def prepare(self, arrays: Sequence[np.ndarray[Any, Any]]) -> None:
        """Copies `arrays`, in the order of `inputs`, to where the runtime reads them."""

    def invoke(self) -> None:
        """One inference on what was prepared last."""

    def read(self) -> list[np.ndarray[Any, Any]]:
        """Copies of the outputs of the last `invoke`, in the order of `outputs`."""


def buffer(info: TensorInfo) -> np.ndarray[Any, Any]:
    """Zeros that begin on a cache line.

    Where numpy puts an array is chance, and a vector load across two lines costs a small model
    up to a third: launches would differ by their luck.
    """
    kind = np.dtype(info.dtype)
    size = int(np.prod(info.shape, dtype=np.int64)) * kind.itemsize
    memory = np.zeros(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(kind).reshape(info.shape)


def run(
    session: Session, arrays: Sequence[np.ndarray[Any, Any]]
) -> list[np.ndarray[Any, Any]]:
    """One inference from arrays to arrays."""
    check(session.inputs, arrays)
    session.prepare(arrays)
    session.invoke()
    return session.read()


def check(inputs: Sequence[TensorInfo], arrays: Sequence[np.ndarray[Any, Any]]) -> None:
    """Raises `inputs_invalid` unless the arrays are exactly what the inputs take."""
    if len(inputs) != len(arrays):
        raise AgentError(
            INPUTS_INVALID, f"The model takes {len(inputs)} inputs, got {len(arrays)}."
        )
    for info, array in zip(inputs, arrays):
        if tuple(array.shape) != info.shape or array.dtype.name != info.dtype:
            raise AgentError(
                INPUTS_INVALID,
                f"Input {info.name!r} takes {info.dtype} {list(info.shape)}, "
                f"got {array.dtype.name} {list(array.shape)}.",
            )


def draw(inputs: Sequence[TensorInfo], seed: int) -> list[np.ndarray[Any, Any]]:
    """Seeded inputs: normal for floats, the whole range for 8-bit, 0 or 1 for wider integers.

    Wider integers are indices more often than numbers, and 0 and 1 are valid indices.
    """
    random = np.random.default_rng(seed)
    arrays = []
    for info in inputs:
        kind = np.dtype(info.dtype)
        if kind.kind == "f":
            arrays.append(random.standard_normal(info.shape).astype(kind))
            continue
        low, high = 0, 1
        if kind.itemsize == 1 and kind.kind in "iu":
            low, high = np.iinfo(kind).min, np.iinfo(kind).max
        arrays.append(random.integers(low, high + 1, info.shape).astype(kind))
    return arrays
