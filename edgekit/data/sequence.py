"""Samples that someone holds in memory: arrays, sequences of samples, loaders of batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch.utils.data
from PIL import Image

from edgekit.agent.serving.decode import pixels
from edgekit.data import preprocess
from edgekit.data.arrays import from_arrays
from edgekit.data.dataset import Dataset
from edgekit.data.preprocess import Array
from edgekit.data.request import Request
from edgekit.data.samples import MEMORY, Indexed
from edgekit.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where samples come from, and how code of their author's is run."""

    name: str
    identity: Callable[[], bytes] = lambda: b""
    """Identity of a sequence that is too large to be read."""
    running: Callable[[], AbstractContextManager[Any]] = nullcontext


def read(held: Any, request: Request, origin: Origin) -> Dataset:
    """Arrays (x, y), an array x, a sequence of samples (x, y) or x, or batches of them.

    A `DataLoader` and an iterable without a length are read once, from first to last; their
    samples have to fit in memory. A sequence (such as a map-style `torch.utils.data.Dataset`)
    is read sample by sample, and again on demand where it does not fit. The dimensions of the
    network's input distinguish batches from samples. Raises `DataError` for anything else.
    """
    if is_array(held):
        return from_arrays(as_numpy(held), None, request, origin.name)
    if isinstance(held, tuple) and len(held) == 2 and all(map(is_array, held)):
        x, y = map(as_numpy, held)
        return from_arrays(x, y, request, origin.name)
    if isinstance(held, Dataset):
        return _checked(held, request, origin)
    if isinstance(held, torch.utils.data.DataLoader) or not _indexed(held):
        if isinstance(held, str | bytes | dict) or not isinstance(held, Iterable):
            raise DataError(
                f"{origin.name} is of type {type(held).__name__}. Give arrays (x, y), or "
                "a sequence of (x, y) with a length, such as a torch Dataset or DataLoader."
            )
        return _from_batches(held, request, origin)
    if not len(held):
        raise DataError(f"{origin.name} has no samples.")
    with origin.running():
        first = _pair(held[0], origin)[0]
    if is_array(first) and first.ndim == len(request.input.shape) + 1:
        return _from_batches((held[n] for n in range(len(held))), request, origin)
    return _from_samples(held, request, origin)


def _indexed(held: Any) -> bool:
    return hasattr(held, "__len__") and hasattr(held, "__getitem__")


def _checked(held: Dataset, request: Request, origin: Origin) -> Dataset:
    """A data set that was read already, where it has the shape that is wanted."""
    shape = held[0][0].shape
    if tuple(shape) != request.input.shape:
        raise DataError(
            f"{origin.name} has samples of shape {list(shape)}, and the network takes "
            f"{list(request.input.shape)}."
        )
    return held


def _from_batches(batches: Iterable[Any], request: Request, origin: Origin) -> Dataset:
    """All batches, one after another, in memory."""
    inputs: list[Array] = []
    targets: list[Array] = []
    size = 0
    with origin.running():
        for x, y in _pairs(batches, request, origin):
            inputs.append(x)
            if y is not None:
                targets.append(y)
            size += x.nbytes
            if size > MEMORY:
                raise DataError(
                    f"{origin.name} has more than {MEMORY >> 20} MiB of samples. Give the "
                    "Dataset itself: it is read sample by sample."
                )
    if not inputs:
        raise DataError(f"{origin.name} has no samples.")
    if targets and len(targets) != len(inputs):
        raise DataError(f"{origin.name} has batches with labels and without. Give -1.")
    y = _joined(targets, f"{origin.name}: targets") if targets else None
    return from_arrays(
        _joined(inputs, f"{origin.name}: inputs"), y, request, origin.name
    )


def _pairs(
    batches: Iterable[Any], request: Request, origin: Origin
) -> Iterator[tuple[Array, Array | None]]:
    """Inputs (batch, *shape) and targets (batch, ...) of each batch."""
    expected = len(request.input.shape) + 1
    for number, batch in enumerate(batches):
        x, y = _pair(batch, origin)
        inputs = as_numpy(x)
        targets = None if y is None else as_numpy(y)
        if inputs.ndim != expected:
            raise DataError(
                f"{origin.name}: batch {number} has inputs of shape {list(inputs.shape)}. "
                f"The network takes [batch, {', '.join(map(str, request.input.shape))}]."
            )
        if targets is not None and (not targets.ndim or len(targets) != len(inputs)):
            raise DataError(
                f"{origin.name}: batch {number} has {len(inputs)} inputs and targets of shape "
                f"{list(targets.shape)}. Give one target a sample."
            )
        yield inputs, targets


def _joined(parts: list[Array], what: str) -> Array:
    shapes = sorted({part.shape[1:] for part in parts})
    if len(shapes) > 1:
        listed = " and ".join(str(list(shape)) for shape in shapes[:2])
        raise DataError(f"{what} have different shapes: {listed}. Make them the same.")
    return np.concatenate(parts)


def _from_samples(sequence: Any, request: Request, origin: Origin) -> Dataset:
    """Read every sample once: into memory where that fits, for the labels alone elsewhere."""
    length = len(sequence)
    kept: list[Array] = []
    targets: list[Any] = []
    fits = True
    with origin.running():
        for index in range(length):
            x, y = _pair(sequence[index], origin)
            targets.append(y)
            if index == 0:
                fits = _values(x, request).nbytes * length <= MEMORY
            if fits:
                kept.append(_values(x, request))
    labeled = [y is not None for y in targets]
    if any(labeled) and not all(labeled):
        missing = labeled.index(False)
        raise DataError(f"{origin.name}: sample {missing} has no label. Give -1.")
    y = _stacked(targets, origin) if any(labeled) else None
    if fits:
        if len({values.shape for values in kept}) > 1:
            raise DataError(f"{origin.name} has samples of different shapes.")
        return from_arrays(np.stack(kept), y, request, origin.name)

    def get(index: int) -> Array:
        with origin.running():
            values = _values(_pair(sequence[index], origin)[0], request)
        arranged, _ = request.arrange(values[None], origin.name)
        first: Array = arranged[0]
        return first

    samples = Indexed(get=get, length=length, identity=origin.identity())
    if y is None:
        return request.unlabeled(samples, length)
    numbers, labels = request.targets(y, origin.name)
    return request.dataset(samples, numbers, labels)


def _pair(sample: Any, origin: Origin) -> tuple[Any, Any]:
    if isinstance(sample, tuple | list) and len(sample) == 2:
        return sample[0], sample[1]
    if isinstance(sample, tuple | list) and len(sample) == 1:
        return sample[0], None
    if isinstance(sample, dict):
        raise DataError(
            f"{origin.name} gives dictionaries ({', '.join(map(str, sample))}). Give pairs "
            "(x, y)."
        )
    return sample, None


def _values(x: Any, request: Request) -> Array:
    if isinstance(x, Image.Image):
        channels, *size = request.input.shape
        color = preprocess.color(request.preprocess, request.input)
        return pixels(x, (channels, size[0], size[1]), color, request.preprocess.resize)
    return as_numpy(x)


def _stacked(targets: list[Any], origin: Origin) -> Array:
    """One array of every sample's target; one of a single number counts as that number."""
    values = [as_numpy(target) for target in targets]
    if all(value.size == 1 for value in values):
        return np.array([value.item() for value in values])
    if len({value.shape for value in values}) > 1:
        raise DataError(
            f"{origin.name} has targets of different shapes. Pad them with -1, or NaN."
        )
    return np.stack(values)


def is_array(value: Any) -> bool:
    """Return whether a value is a NumPy array or a tensor."""
    return isinstance(value, np.ndarray) or (
        hasattr(value, "detach") and hasattr(value, "numpy")
    )


def as_numpy(value: Any) -> Array:
    """A tensor, array or nested list as an array."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    values: Array = np.asarray(value)
    return values
