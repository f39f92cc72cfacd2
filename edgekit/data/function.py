"""Samples from a function of the user's: `loader.py:train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edgekit.agent.serving.decode import pixels
from edgekit.config.user_code import Authored, locate
from edgekit.data import preprocess, target_reader
from edgekit.data.arrays import from_arrays
from edgekit.data.dataset import Dataset
from edgekit.data.preprocess import Array
from edgekit.data.request import Request
from edgekit.data.samples import MEMORY, Indexed
from edgekit.errors import DataError


def load(reference: str, root: Path, request: Request) -> Dataset:
    """What the function returns: a tuple of arrays (x, y), an array x, or a sequence (such as a
    `torch.utils.data.Dataset`) of (x, y) or x. Values are raw: preprocessing follows."""
    function = locate(reference, root, DataError)
    returned = function.call()
    if _is_array(returned):
        return from_arrays(_as_numpy(returned), None, request, function.name)
    if (
        isinstance(returned, tuple)
        and len(returned) == 2
        and all(map(_is_array, returned))
    ):
        x, y = map(_as_numpy, returned)
        return from_arrays(x, y, request, function.name)
    if not (hasattr(returned, "__len__") and hasattr(returned, "__getitem__")):
        raise DataError(
            f"{function.name} returned {type(returned).__name__}. Return arrays (x, y), or a "
            "sequence of (x, y) with a length, such as a torch Dataset."
        )
    return _from_sequence(returned, function, request)


def _from_sequence(sequence: Any, function: Authored, request: Request) -> Dataset:
    """Read every sample once: into memory where that fits, for the labels alone elsewhere."""
    length = len(sequence)
    if not length:
        raise DataError(f"{function.name} has no samples.")
    kept: list[Array] = []
    targets: list[Any] = []
    fits = True
    with function.running():
        for index in range(length):
            x, y = _pair(sequence[index])
            targets.append(y)
            if index == 0:
                fits = _values(x, request).nbytes * length <= MEMORY
            if fits:
                kept.append(_values(x, request))
    labeled = [y is not None for y in targets]
    if any(labeled) and not all(labeled):
        missing = labeled.index(False)
        raise DataError(f"{function.name}: sample {missing} has no label. Give -1.")
    y = _stacked(targets, function) if any(labeled) else None
    if fits:
        if len({values.shape for values in kept}) > 1:
            raise DataError(f"{function.name} has samples of different shapes.")
        return from_arrays(np.stack(kept), y, request, function.name)

    def get(index: int) -> Array:
        with function.running():
            values = _values(_pair(sequence[index])[0], request)
        arranged, _ = request.arrange(values[None], function.name)
        first: Array = arranged[0]
        return first

    samples = Indexed(get=get, length=length, identity=function.file.read_bytes())
    if y is None:
        unlabeled = target_reader.unknown(request.kind, length)
        return request.dataset(samples, unlabeled, request.labels or ())
    numbers, labels = target_reader.read(y, request, function.name)
    return request.dataset(samples, numbers, labels)


def _pair(sample: Any) -> tuple[Any, Any]:
    if isinstance(sample, tuple | list) and len(sample) == 2:
        return sample[0], sample[1]
    return sample, None


def _values(x: Any, request: Request) -> Array:
    if isinstance(x, Image.Image):
        channels, *size = request.input.shape
        color = preprocess.color(request.preprocess, request.input)
        return pixels(x, (channels, size[0], size[1]), color, request.preprocess.resize)
    return _as_numpy(x)


def _stacked(targets: list[Any], function: Authored) -> Array:
    """One array of every sample's target; one of a single number counts as that number."""
    values = [_as_numpy(target) for target in targets]
    if all(value.size == 1 for value in values):
        return np.array([value.item() for value in values])
    if len({value.shape for value in values}) > 1:
        raise DataError(
            f"{function.name} has targets of different shapes. Pad them with -1, or NaN."
        )
    return np.stack(values)


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or (
        hasattr(value, "detach") and hasattr(value, "numpy")
    )


def _as_numpy(value: Any) -> Array:
    """A tensor, array or nested list as an array."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    values: Array = np.asarray(value)
    return values
