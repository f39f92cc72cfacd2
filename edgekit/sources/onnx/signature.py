"""Inputs and outputs of the file: the batch dimension, and fixed inputs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from edgekit.errors import ModelError
from edgekit.sources.onnx.graph import Graph, GraphTensor
from edgekit.sources.onnx.operators.shapes import dtype_of
from edgekit.sources.onnx.values import Known
from edgekit.types import InputSpec

_NUMPY = {
    1: "float32", 2: "uint8", 3: "int8", 5: "int16", 6: "int32", 7: "int64", 9: "bool",
    10: "float16", 11: "float64",
}  # fmt: skip
_SPEC_DTYPES = {torch.int64: "int64", torch.int32: "int32"}
_MOST = 1 << 28
"""Elements of one sample."""


@dataclass(frozen=True, kw_only=True)
class Input:
    """One input of the network. `place` is the dimension of the batch in the file."""

    name: str
    shape: tuple[int, ...]
    """Without the batch."""
    dtype: torch.dtype
    file_dtype: str
    """As NumPy calls what the file takes."""
    place: int

    @property
    def spec(self) -> InputSpec:
        """The input in the program's words."""
        kind: Any = _SPEC_DTYPES.get(self.dtype)
        return InputSpec(name=self.name, shape=self.shape, dtype=kind)

    def moved(self, value: Tensor) -> Tensor:
        """A tensor with the batch first as the file takes it."""
        return value if self.place == 0 else value.movedim(0, self.place)


@dataclass(frozen=True, kw_only=True)
class OnnxSignature:
    """Inputs of a file: free ones, fixed ones, and the batch."""

    inputs: tuple[Input, ...]
    fixed: Mapping[str, Known]
    held: int
    """The batch that the file has; 1 where it is free."""
    free: bool
    """True where the file marks its batch as free."""


def fixed_values(graph: Graph, fixed: Mapping[str, Any]) -> dict[str, Known]:
    """The values of fixed inputs; `ModelError` for names that are not there."""
    named = {tensor.name: tensor for tensor in graph.inputs}
    for name in fixed:
        if name not in named:
            raise ModelError(
                f"[model.fixed] names '{name}', which is not an input of the file. "
                f"It has {', '.join(sorted(named))}."
            )
    return {name: _fixed(named[name], value) for name, value in fixed.items()}


def signature(
    graph: Graph, specs: Sequence[InputSpec], fixed: Mapping[str, Known]
) -> OnnxSignature:
    """The signature of a graph; `specs` have sizes that the file leaves free, `fixed` values.

    Raises `ModelError` for an input whose sizes are not known.
    """
    names = {tensor.name for tensor in graph.inputs}
    left = [tensor for tensor in graph.inputs if tensor.name not in fixed]
    values = {name: value for name, value in fixed.items() if name in names}
    if not left:
        raise ModelError("The file has no inputs that are left free.")
    if specs and len(specs) != len(left) and not {s.name for s in specs} & names:
        raise ModelError(
            f"The file's network takes {len(left)} inputs "
            f"({', '.join(tensor.name for tensor in left)}), and {len(specs)} are given."
        )
    batch = _shape(left[0])[0]
    inputs = tuple(
        _input(tensor, batch, _spec(specs, tensor, number, len(left)))
        for number, tensor in enumerate(left)
    )
    held = batch if isinstance(batch, int) and batch > 0 else 1
    free = not (isinstance(batch, int) and batch > 0)
    return OnnxSignature(inputs=inputs, fixed=values, held=held, free=free)


def _spec(
    specs: Sequence[InputSpec], tensor: GraphTensor, number: int, count: int
) -> InputSpec | None:
    named = next((spec for spec in specs if spec.name == tensor.name), None)
    return named or (specs[number] if len(specs) == count else None)


def _shape(tensor: GraphTensor) -> tuple[int | str | None, ...]:
    if not tensor.shape:
        raise ModelError(
            f"The input '{tensor.name}' has no dimension for the batch. Fix its value: "
            f"[model.fixed] {_key(tensor.name)} = ..."
        )
    return tensor.shape


def _key(name: str) -> str:
    return name if re.fullmatch(r"[\w-]+", name) else f'"{name}"'


def _input(
    tensor: GraphTensor, batch: int | str | None, spec: InputSpec | None
) -> Input:
    shape = _shape(tensor)
    place = _place(tensor, batch)
    sizes = [*shape[:place], *shape[place + 1 :]]
    if spec is not None:
        sizes = _given(tensor, sizes, spec)
    unknown = [str(s or "?") for s in sizes if not isinstance(s, int) or s <= 0]
    if unknown:
        raise ModelError(
            f"The input '{tensor.name}' has free sizes: {', '.join(unknown)}. Say them without "
            "the batch: [model] input = { shape = [...] }, or --input."
        )
    if not sizes:
        raise ModelError(
            f"The input '{tensor.name}' has a batch and nothing else. Fix its value: "
            f"[model.fixed] {_key(tensor.name)} = ..."
        )
    fixed = tuple(s for s in sizes if isinstance(s, int))
    if np.prod(fixed, dtype=float) > _MOST:
        raise ModelError(
            f"The input '{tensor.name}' of shape {list(fixed)} is too large."
        )
    dtype = dtype_of(tensor.dtype)
    if dtype is None or tensor.dtype not in _NUMPY:
        raise ModelError(
            f"The input '{tensor.name}' holds no numbers of a kind that torch has."
        )
    return Input(
        name=tensor.name,
        shape=fixed,
        dtype=dtype,
        file_dtype=_NUMPY[tensor.dtype],
        place=place,
    )


def _place(tensor: GraphTensor, batch: int | str | None) -> int:
    """The dimension that has the batch of the first input, the first one by default."""
    shape = _shape(tensor)
    if shape[0] == batch or batch is None:
        return 0
    return next((n for n, size in enumerate(shape) if size == batch), 0)


def _given(
    tensor: GraphTensor, sizes: list[int | str | None], spec: InputSpec
) -> list[int | str | None]:
    fits = len(spec.shape) == len(sizes) and all(
        not isinstance(own, int) or own <= 0 or own == given
        for own, given in zip(sizes, spec.shape, strict=True)
    )
    if not fits:
        raise ModelError(
            f"The input '{tensor.name}' of the file has sizes "
            f"{[s or '?' for s in sizes]} after the batch, but [model] input has "
            f"{list(spec.shape)}. Correct it, or remove it."
        )
    return list(spec.shape)


def _fixed(tensor: GraphTensor, value: Any) -> Known:
    """The value of a fixed input in the type and shape that the file wants."""
    kind = _NUMPY.get(tensor.dtype)
    sizes = [s for s in tensor.shape or () if not isinstance(s, int) or s <= 0]
    try:
        array = np.asarray(value).astype(kind)
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"[model.fixed] {tensor.name} = {str(value)[:60]!r} is not of type {kind}."
        ) from error
    if tensor.shape is not None and not sizes and array.shape != tensor.shape:
        requested = tuple(s for s in tensor.shape if isinstance(s, int))
        if array.size != 1:
            raise ModelError(
                f"[model.fixed] {tensor.name} has shape {list(array.shape)}; the file wants "
                f"{list(requested)}."
            )
        array = np.full(requested, array.reshape(()))
    return array
