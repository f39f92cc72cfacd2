"""Samples that someone holds in memory: arrays, sequences of samples, loaders of batches."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch.utils.data

from edgekit.data import boxes, memory
from edgekit.data.arrays import from_arrays, grouped
from edgekit.data.dataset import Dataset
from edgekit.data.failed_samples import FailedSamples
from edgekit.data.preprocess import Array
from edgekit.data.request import Request
from edgekit.data.samples import Indexed, as_numpy
from edgekit.data.text_beside import held_rows
from edgekit.errors import DataError
from edgekit.program.feeds import Feeds
from edgekit.tasks import numbered


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where samples come from, and how code of their author's is run."""

    name: str
    identity: Callable[[], bytes] = lambda: b""
    """Identity of a sequence that is too large to be read."""
    running: Callable[[], AbstractContextManager[Any]] = nullcontext


def read(held: Any, request: Request, origin: Origin) -> Dataset:
    """Arrays (x, y), an array x, a sequence of samples (x, y) or x, or batches of them.

    Of a network with several inputs, x is a mapping by their names, or a tuple in their order;
    a mapping may hold the target too. A `DataLoader` and an iterable without a length are read
    once, from first to last; their samples have to fit in memory. A sequence (such as a
    map-style `torch.utils.data.Dataset`) is read sample by sample, and again on demand where it
    does not fit. The dimensions of the network's input distinguish batches from samples. Raises
    `DataError` for anything else.
    """
    if isinstance(held, Mapping) and request.group in held:
        rest = {name: part for name, part in held.items() if name != request.group}
        found = read(rest, replace(request, group=None), origin)
        return grouped(found, as_numpy(held[request.group]), origin.name)
    # Texts that no tokenizer reads are named as such, where looking takes nothing.
    if request.text is not None or (request.takes_tokens and _indexed(held)):
        with origin.running():
            texts, held = held_rows(held, request, origin.name)
        if texts is not None:
            return texts
    if _arrays(held) or (
        isinstance(held, tuple) and len(held) == 2 and all(map(_arrays, held))
    ):
        x, y = _pair(held, request)
        parts = tuple(map(as_numpy, request.separate(x, origin.name)))
        return from_arrays(parts, _numpy(y), request, origin.name)
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
    first = None
    with origin.running(), FailedSamples(origin=origin.name).of(0):  # named with others
        first = request.separate(_pair(held[0], request)[0], origin.name)[0]
    if is_array(first) and first.ndim == len(request.inputs[0].spec.shape) + 1:
        return _from_batches((held[n] for n in range(len(held))), request, origin)
    return _from_samples(held, request, origin)


def _indexed(held: Any) -> bool:
    return hasattr(held, "__len__") and hasattr(held, "__getitem__")


def _checked(held: Dataset, request: Request, origin: Origin) -> Dataset:
    """A data set that was read already, where it has the shape that is expected."""
    feeds, _ = held.feeds(np.array([0]))
    given = [list(each.shape[1:]) for each in feeds]
    expected = [list(each.spec.shape) for each in request.inputs]
    if given != expected:
        raise DataError(
            f"{origin.name} has samples of shape {', '.join(map(str, given))}, and the "
            f"network takes {', '.join(map(str, expected))}."
        )
    return held


def _from_batches(batches: Iterable[Any], request: Request, origin: Origin) -> Dataset:
    """All batches, one after another, in memory."""
    inputs: list[Feeds] = []
    targets: list[Array] = []
    groups: list[Any] = []
    size = 0
    with origin.running():
        for x, y, group in _pairs(batches, request, origin):
            inputs.append(x)
            groups += group
            if y is not None:
                targets.append(y)
            size += sum(each.nbytes for each in x)
            if size > memory.MEMORY:
                raise DataError(
                    f"{origin.name} has more than {memory.MEMORY >> 20} MiB of samples. Give the "
                    "Dataset itself: it is read sample by sample."
                )
    if not inputs:
        raise DataError(f"{origin.name} has no samples.")
    if targets and len(targets) != len(inputs):
        raise DataError(f"{origin.name} has batches with labels and without. Give -1.")
    y = _joined(targets, f"{origin.name}: targets") if targets else None
    columns = zip(*inputs, strict=True)
    x = tuple(_joined(parts, f"{origin.name}: inputs") for parts in columns)
    return _grouped(from_arrays(x, y, request, origin.name), groups, origin)


def _pairs(
    batches: Iterable[Any], request: Request, origin: Origin
) -> Iterator[tuple[Feeds, Array | None, list[Any]]]:
    """Inputs (batch, *shape), targets (batch, ...) and groups of each batch."""
    for number, batch in enumerate(batches):
        x, y = _pair(batch, request)
        inputs = tuple(map(as_numpy, request.separate(x, origin.name)))
        targets = _numpy(y)
        for values, one in zip(inputs, request.inputs, strict=True):
            shape = one.spec.shape
            if values.ndim != len(shape) + 1:
                raise DataError(
                    f"{origin.name}: batch {number} has inputs of shape "
                    f"{list(values.shape)}. The network takes "
                    f"[batch, {', '.join(map(str, shape))}]."
                )
        count = len(inputs[0])
        if targets is not None and (not targets.ndim or len(targets) != count):
            raise DataError(
                f"{origin.name}: batch {number} has {count} inputs and targets of shape "
                f"{list(targets.shape)}. Give one target a sample."
            )
        groups = _group(batch, request)
        yield inputs, targets, [] if groups is None else list(groups)


def _joined(parts: Sequence[Array], what: str) -> Array:
    shapes = sorted({part.shape[1:] for part in parts})
    if len(shapes) > 1:
        listed = " and ".join(str(list(shape)) for shape in shapes[:2])
        raise DataError(f"{what} have different shapes: {listed}. Make them the same.")
    return np.concatenate(parts)


def _from_samples(sequence: Any, request: Request, origin: Origin) -> Dataset:
    """Read every sample once: into memory where that fits, for the labels alone elsewhere."""
    length = len(sequence)
    kept: list[Feeds] = []
    targets: list[Any] = []
    groups: list[Any] = []
    held = True
    failed = FailedSamples(origin=origin.name)
    with origin.running():
        for index in range(length):
            with failed.of(index):
                sample = sequence[index]
                x, y = _pair(sample, request)
                if held:
                    values = _values(x, request, origin)
                    size = sum(each.nbytes for each in values)
                    held = bool(kept) or memory.fits(size * length)
                    kept += [values] if held else []
                targets.append(y)
                groups.append(_group(sample, request))
        failed.refuse(length)
    missing = [number for number, y in enumerate(targets) if y is None]
    if missing and len(missing) < length:
        raise DataError(
            f"{origin.name} has no label in {numbered.samples(missing)}. Give -1."
        )
    y = None if missing else _stacked(targets, request, origin)
    if held:
        _refuse_odd([tuple(x.shape for x in values) for values in kept], origin)
        columns = zip(*kept, strict=True)
        stacked = tuple(np.stack(values) for values in columns)
        found = from_arrays(stacked, y, request, origin.name)
        return _grouped(found, groups, origin)
    samples = [
        Indexed(
            get=_Sample(sequence=sequence, request=request, origin=origin, place=place),
            length=length,
            identity=origin.identity(),
            name=origin.name,
        )
        for place in range(len(request.inputs))
    ]
    return _grouped(request.labeled(samples, y, origin.name), groups, origin)


def _group(sample: Any, request: Request) -> Any | None:
    """The group of a sample or those of a batch, where a mapping has them."""
    given = sample[0] if isinstance(sample, tuple | list) and sample else sample
    if request.group is None or not isinstance(given, Mapping):
        return None
    found = given.get(request.group)
    return as_numpy(found) if is_array(found) else found


def _grouped(dataset: Dataset, groups: Sequence[Any], origin: Origin) -> Dataset:
    """The samples in groups, where they have any."""
    if all(group is None for group in groups):
        return dataset
    return grouped(dataset, groups, origin.name)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Sample:
    """One input's raw values of a sample of a sequence, by its number."""

    sequence: Any
    request: Request
    origin: Origin
    place: int

    def __call__(self, index: int) -> Array:
        """Read the sample and return the values (*shape)."""
        with self.origin.running():
            x = _pair(self.sequence[index], self.request)[0]
            values = _values(x, self.request, self.origin)[self.place]
        one = self.request.inputs[self.place]
        arranged, _ = one.arrange(values[None], self.origin.name)
        first: Array = arranged[0]
        return first


def _pair(sample: Any, request: Request) -> tuple[Any, Any]:
    """The inputs and the target of a sample, or of a batch; a mapping may hold both."""
    if isinstance(sample, tuple | list) and len(sample) == 2:
        return sample[0], sample[1]
    if isinstance(sample, tuple | list) and len(sample) == 1:
        return sample[0], None
    if isinstance(sample, Mapping):
        key = request.targets_in(sample)
        return sample, None if key is None else sample[key]
    return sample, None


def _values(x: Any, request: Request, origin: Origin) -> Feeds:
    parts = request.separate(x, origin.name)
    pairs = zip(parts, request.inputs, strict=True)
    return tuple(one.value(part) for part, one in pairs)


def _arrays(held: Any) -> bool:
    """Return whether arrays hold all samples: one, a mapping of them, or a tuple."""
    if isinstance(held, Mapping):
        return bool(held) and all(map(is_array, held.values()))
    if isinstance(held, tuple):
        return bool(held) and all(map(is_array, held))
    return is_array(held)


def _numpy(targets: Any) -> Array | None:
    return None if targets is None else as_numpy(targets)


def _stacked(targets: list[Any], request: Request, origin: Origin) -> Array:
    """One array of every sample's target; one of a single number counts as that number."""
    found = boxes.held(targets) if request.format.boxes else None
    if found is not None:
        return found
    values = [as_numpy(target) for target in targets]
    if all(value.size == 1 for value in values):
        return np.array([value.item() for value in values])
    odd = numbered.unlike([value.shape for value in values])
    if odd:
        raise DataError(
            f"{origin.name} has targets of different shapes, others in "
            f"{numbered.samples(odd)}. Pad them with -1, or NaN."
        )
    return np.stack(values)


def _refuse_odd(shapes: Sequence[Hashable], origin: Origin) -> None:
    """Raise `DataError` where samples have not the shape of most."""
    odd = numbered.unlike(shapes)
    if odd:
        raise DataError(
            f"{origin.name} has samples of different shapes, others in {numbered.samples(odd)}."
        )


def is_array(value: Any) -> bool:
    """Return whether a value is a NumPy array or a tensor."""
    return isinstance(value, np.ndarray) or (
        hasattr(value, "detach") and hasattr(value, "numpy")
    )
