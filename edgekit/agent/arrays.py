"""Samples in and out of `.npz` files, and as models store them."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from .errors import FILES, INPUTS_INVALID, AgentError, one_line
from .session import TensorInfo

CHANNELS_LAST = "NHWC"


def read_inputs(path: str, inputs: Sequence[TensorInfo]) -> list[np.ndarray[Any, Any]]:
    """One array of n samples for each input: by the input's name, else in the file's order."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise AgentError(
            FILES, f"Cannot read the inputs {path} ({one_line(error)})."
        ) from error
    if len(arrays) != len(inputs):
        raise AgentError(
            INPUTS_INVALID,
            f"{path} holds {len(arrays)} arrays; the model takes {len(inputs)} inputs.",
        )
    names = [info.name for info in inputs]
    ordered = (
        [arrays[name] for name in names]
        if set(names) == set(arrays)
        else list(arrays.values())
    )
    counts = {len(array) if array.ndim else 0 for array in ordered}
    if len(counts) != 1 or 0 in counts:
        raise AgentError(
            INPUTS_INVALID,
            f"{path} must hold the same number of samples, at least one, for each input.",
        )
    return ordered


def sample(
    inputs: Sequence[TensorInfo],
    arrays: Sequence[np.ndarray[Any, Any]],
    number: int,
) -> list[np.ndarray[Any, Any]]:
    """Sample `number` of each array, with the batch dimension the model takes."""
    return [
        np.ascontiguousarray(
            array[number : number + 1]
            if array.ndim == len(info.shape)
            else array[number]
        )
        for info, array in zip(inputs, arrays)
    ]


def stack(outputs: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """One array of n samples; a leading batch dimension of 1 becomes n."""
    first = outputs[0]
    if first.ndim and first.shape[0] == 1:
        return np.concatenate(outputs)
    return np.stack(outputs)


def arranged(values: np.ndarray[Any, Any], layout: str | None) -> np.ndarray[Any, Any]:
    """Samples (n, channels, ...) in the order that a file of this layout takes."""
    if layout != CHANNELS_LAST:
        return values
    return np.ascontiguousarray(np.moveaxis(values, 1, -1))


def of_network(shape: Sequence[int], layout: str | None) -> tuple[int, ...]:
    """A file's shape without the batch, channels first as the network has it."""
    if layout != CHANNELS_LAST:
        return tuple(shape)
    return (shape[-1], *shape[:-1])


def write_outputs(path: str, arrays: Sequence[np.ndarray[Any, Any]]) -> None:
    """Writes `output_0`, `output_1`, ...; the file is there whole or not at all."""
    partial = Path(path + ".partial")
    try:
        with partial.open("wb") as file:
            named: dict[str, Any] = {f"output_{i}": a for i, a in enumerate(arrays)}
            np.savez(file, **named)
        os.replace(partial, path)  # noqa: PTH105 - `path` is text here
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise AgentError(
            FILES, f"Cannot write the outputs {path} ({error.strerror})."
        ) from error


class _Affine(Protocol):
    """`real = scale * (stored - zero_point)`."""

    @property
    def scale(self) -> float: ...
    @property
    def zero_point(self) -> int: ...


class _StoredTensor(Protocol):
    """An input or output as a model stores it."""

    @property
    def name(self) -> str: ...
    @property
    def dtype(self) -> str: ...
    @property
    def quantization(self) -> _Affine | None: ...


def quantize(values: np.ndarray[Any, Any], info: _StoredTensor) -> np.ndarray[Any, Any]:
    """Real numbers as the model stores them: rounded to even, clipped to the type's range.

    Raises `inputs_invalid` for whole numbers that a type without a scale cannot hold.
    """
    kind = np.dtype(info.dtype)
    if info.quantization is None:
        _check_range(values, info.name, kind)
        return np.ascontiguousarray(values, dtype=kind)
    limits = np.iinfo(kind)
    steps = np.rint(values / info.quantization.scale) + info.quantization.zero_point
    return np.asarray(np.clip(steps, limits.min, limits.max), dtype=kind)


def _check_range(values: np.ndarray[Any, Any], name: str, kind: np.dtype[Any]) -> None:
    if kind.kind not in "iu" or not values.size:
        return
    limits, least, most = np.iinfo(kind), values.min(), values.max()
    if least < limits.min or most > limits.max:
        worst = least if least < limits.min else most
        raise AgentError(
            INPUTS_INVALID,
            f"'{name}' takes {kind.name}, which does not hold {worst}. Give numbers from "
            f"{limits.min} to {limits.max}.",
        )


def dequantize(
    stored: np.ndarray[Any, Any], info: _StoredTensor
) -> np.ndarray[Any, Any]:
    """Stored integers as real numbers in float32."""
    if info.quantization is None:
        return stored.astype(np.float32)
    steps = stored.astype(np.float32) - info.quantization.zero_point
    return (steps * info.quantization.scale).astype(np.float32)
