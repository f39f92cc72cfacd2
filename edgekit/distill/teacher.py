"""The teacher's outputs for each training sample: computed every time, or once and
stored."""

from __future__ import annotations

import hashlib
import math
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from edgekit import scratch, store
from edgekit.data.memory import at_once
from edgekit.distill.batches import Inputs, on
from edgekit.distill.features import ModelOutputs, view
from edgekit.distill.processes import Processes
from edgekit.program.placement import to_device

CHUNK = 256
"""Samples that are computed together and marked as done together."""
DISK_FRACTION = 0.5
"""Fraction of the free disk that kept outputs may take."""
_MEMORY = 1 << 30
"""Bytes of outputs kept in memory where there is no folder for them."""


class Teacher:
    """One teacher, or several whose outputs are averaged by weight; the first is looked into, and
    gives the outputs that the task does not read."""

    def __init__(
        self,
        networks: Sequence[nn.Module],
        on: Processes,
        weights: Sequence[float] | None = None,
    ) -> None:
        self._on = on
        given = torch.tensor(weights or [1.0] * len(networks))
        self._fractions = (given / given.sum()).to(on.device)
        self._networks = [to_device(network, on.device) for network in networks]
        self._kept: dict[int, KeptOutputs] = {}
        self._shapes: list[torch.Size] = []
        self.requested = 0
        """Answers that were wanted in training."""
        self.computed = 0
        """Answers for training that a network was run for."""

    @torch.no_grad()
    def compute(self, inputs: Inputs) -> ModelOutputs:
        """Average outputs of the teachers."""
        first, *others = (view(network(*inputs)) for network in self._networks)
        if not others:
            return first
        together = [first.output, *(other.output for other in others)]
        average = torch.tensordot(self._fractions, torch.stack(together), 1)
        return replace(first, output=average)

    def answer(self, indices: Tensor, inputs: Inputs, version: int) -> ModelOutputs:
        """The answer to training samples, from what is kept where it is."""
        self.requested += len(indices)
        if version in self._kept:
            kept = self._kept[version].take(indices).to(self._on.device)
            return unpacked(kept, self._shapes)
        self.computed += len(indices)
        return self.compute(inputs)

    def keep(
        self,
        folder: Path | None,
        count: int,
        inputs: Callable[[Sequence[Tensor]], Iterator[Inputs]],
        version: int,
    ) -> None:
        """Have the answers to all of `count` samples in one version, in `folder` or in memory.

        The processes share the work where they share the disk.
        """
        if version in self._kept:
            return
        [first] = inputs([torch.arange(1)])
        answer = self.compute(on(self._on.device, first))
        example, self._shapes = packed(answer), shapes_of(answer)
        if not self._on.first_here:
            self._on.wait()
        kept = KeptOutputs(folder, count, example)
        if self._on.first_here:
            self._on.wait()
        size = at_once(sum(x.nbytes for x in first), CHUNK)
        mine = kept.missing()[self._on.number :: self._on.count]
        self._fill(kept, [torch.split(chunk, size) for chunk in mine], inputs)
        self._on.wait()
        left = kept.missing()
        self._fill(kept, [torch.split(chunk, size) for chunk in left], inputs)
        self._kept[version] = kept

    def _fill(
        self,
        kept: KeptOutputs,
        chunks: Sequence[Sequence[Tensor]],
        inputs: Callable[[Sequence[Tensor]], Iterator[Inputs]],
    ) -> None:
        """Keep the answers to chunks, each computed in the parts that it is given in."""
        given = inputs([part for chunk in chunks for part in chunk])
        for chunk in chunks:
            numbers = torch.cat(list(chunk))
            self.computed += len(numbers)
            parts = [self.compute(on(self._on.device, next(given))) for _ in chunk]
            kept.keep(numbers, torch.cat([packed(part) for part in parts]))

    @property
    def hit_rate(self) -> float | None:
        """Fraction of the answers that no network was run for; `None` before the first."""
        return 1 - min(1.0, self.computed / self.requested) if self.requested else None


def packed(answer: ModelOutputs) -> Tensor:
    """All outputs of a network as one tensor, one after another in a row a sample; a single one
    as it is."""
    if not answer.others:
        return answer.output
    parts = (answer.output, *answer.others)
    return torch.cat([part.reshape(len(part), -1).float() for part in parts], dim=1)


def shapes_of(answer: ModelOutputs) -> list[torch.Size]:
    """The shape of a sample in each output, in the order of `packed`."""
    return [part.shape[1:] for part in (answer.output, *answer.others)]


def unpacked(rows: Tensor, shapes: Sequence[torch.Size]) -> ModelOutputs:
    """The outputs that `packed` made rows of."""
    if len(shapes) == 1:
        return ModelOutputs(output=rows)
    parts = torch.split(rows, [shape.numel() for shape in shapes], dim=1)
    pairs = zip(parts, shapes, strict=True)
    output, *others = (part.reshape(-1, *shape) for part, shape in pairs)
    return ModelOutputs(output=output, others=tuple(others))


class KeptOutputs:
    """Outputs of a teacher by sample, in a memory-mapped file, filled in chunks.

    A chunk's digest, over its values, its number and the folder's name, is written after
    the values: a chunk that was damaged, or that somebody was killed in, is computed again.
    Chunks always hold the same samples, so that the values do not depend on the order of
    requests.
    """

    def __init__(self, folder: Path | None, count: int, example: Tensor) -> None:
        self._count, self._place = count, folder
        self._chunks = -(-count // CHUNK)
        shape = (count, *example.shape[1:])
        self._values = _array(folder, "outputs.f32", shape, "float32")
        self._digests = _array(folder, "digests", (self._chunks, 32), "uint8")
        self._whole = np.zeros(self._chunks, bool)
        damaged = [
            chunk
            for chunk in self._unverified()
            if self._digests[chunk].any() and folder is not None
        ]
        if damaged:
            damage = f"{len(damaged)} of {self._chunks} parts are not what was written"
            store.remade(folder, damage)  # type: ignore[arg-type]

    def missing(self) -> list[Tensor]:
        """The samples that nobody has computed, in chunks."""
        return [self._samples(chunk) for chunk in self._unverified()]

    def keep(self, chunk: Tensor, outputs: Tensor) -> None:
        """Store the outputs (n, ...) of a whole chunk."""
        self._values[chunk.numpy()] = outputs.float().cpu().numpy()
        number = int(chunk[0]) // CHUNK
        self._digests[number] = self._digest(number)

    def take(self, indices: Tensor) -> Tensor:
        """Stored outputs (n, ...) at `indices`."""
        return torch.from_numpy(self._values[indices.numpy()])

    def _samples(self, chunk: int) -> Tensor:
        return torch.arange(chunk * CHUNK, min(self._count, (chunk + 1) * CHUNK))

    def _unverified(self) -> list[int]:
        """Chunks whose values do not agree with their digest."""
        for chunk in np.flatnonzero(~self._whole).tolist():
            known = self._digests[chunk]
            self._whole[chunk] = known.any() and bool(
                (known == self._digest(chunk)).all()
            )
        return np.flatnonzero(~self._whole).tolist()

    def _digest(self, chunk: int) -> np.ndarray[Any, Any]:
        name = "" if self._place is None else self._place.name
        content = hashlib.sha256(f"{name} {chunk} ".encode())
        content.update(self._values[chunk * CHUNK : (chunk + 1) * CHUNK].tobytes())
        return np.frombuffer(content.digest(), np.uint8)


def fits(folder: Path | None, count: int, example: Tensor) -> bool:
    """Return whether there is room for `count` answers like those of `example`."""
    size = count * example[0].numel() * 4
    if folder is None:
        return size <= _MEMORY
    with store.writing(folder, "the teacher's outputs"):
        folder.mkdir(parents=True, exist_ok=True)
    return size <= DISK_FRACTION * shutil.disk_usage(folder).free


def _array(
    folder: Path | None, name: str, shape: tuple[int, ...], dtype: str
) -> np.ndarray[Any, Any]:
    if folder is None:
        return np.zeros(shape, dtype)
    path = folder / name
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if path.exists() and path.stat().st_size != size:
        store.remade(path, "of another size than was written")
        path.unlink()
    if not path.exists():
        with store.writing(folder.parent, "the teacher's outputs"):
            folder.mkdir(parents=True, exist_ok=True)
            with scratch.replacing(path, folder.parent) as partial:
                _allocate(partial, size)
    return np.memmap(path, dtype, "r+", shape=shape)


def _allocate(path: Path, size: int) -> None:
    """A file of zeros with its room on the disk: writing to a map on a full one is a crash."""
    with path.open("wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)
