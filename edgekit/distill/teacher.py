"""What the teacher says about each training sample: asked every time, or once and kept."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from edgekit.distill.processes import Processes
from edgekit.distill.view import View, view

CHUNK = 256
"""Samples that are computed together and marked as done together."""
DISK_SHARE = 0.5
"""Share of the free disk that kept outputs may take."""
_MEMORY = 1 << 30
"""Bytes of outputs kept in memory where there is no folder for them."""


class Teacher:
    """One teacher, or several whose outputs are averaged by weight; the first is looked into."""

    def __init__(
        self,
        networks: Sequence[nn.Module],
        on: Processes,
        weights: Sequence[float] | None = None,
    ) -> None:
        self._on = on
        given = torch.tensor(weights or [1.0] * len(networks))
        self._shares = (given / given.sum()).to(on.device)
        self._networks = [network.to(on.device) for network in networks]
        self._kept: dict[int, KeptOutputs] = {}
        self.asked = 0
        """Answers that were wanted in training."""
        self.computed = 0
        """Answers for training that a network was run for."""

    @torch.no_grad()
    def compute(self, inputs: Tensor) -> View:
        """What the teachers say of inputs."""
        first, *others = (view(network(inputs)) for network in self._networks)
        if not others:
            return first
        together = [first.output, *(other.output for other in others)]
        return View(
            output=torch.tensordot(self._shares, torch.stack(together), 1),
            features=first.features,
            attentions=first.attentions,
        )

    def answer(self, numbers: Tensor, inputs: Tensor, version: int) -> View:
        """The answer to training samples, from what is kept where it is."""
        self.asked += len(numbers)
        if version in self._kept:
            kept = self._kept[version].take(numbers)
            return View(output=kept.to(self._on.device))
        self.computed += len(numbers)
        return self.compute(inputs)

    def keep(
        self,
        folder: Path | None,
        count: int,
        inputs: Callable[[Tensor], Tensor],
        version: int,
    ) -> None:
        """Have the answers to all of `count` samples in one version, in `folder` or in memory.

        The processes share the work where they share the disk.
        """
        if version in self._kept:
            return
        example = self.compute(inputs(torch.arange(1)).to(self._on.device)).output
        if not self._on.first_here:
            self._on.wait()
        kept = KeptOutputs(folder, count, example)
        if self._on.first_here:
            self._on.wait()
        chunks = kept.missing()
        for chunk in chunks[self._on.number :: self._on.count]:
            self._fill(kept, chunk, inputs)
        self._on.wait()
        for chunk in kept.missing():
            self._fill(kept, chunk, inputs)
        self._kept[version] = kept

    def _fill(
        self, kept: KeptOutputs, chunk: Tensor, inputs: Callable[[Tensor], Tensor]
    ) -> None:
        self.computed += len(chunk)
        kept.keep(chunk, self.compute(inputs(chunk).to(self._on.device)).output)

    @property
    def hit_rate(self) -> float | None:
        """Share of the answers that no network was run for; `None` before the first."""
        return 1 - min(1.0, self.computed / self.asked) if self.asked else None


class KeptOutputs:
    """Outputs of a teacher by sample, in a memory-mapped file, filled in chunks.

    A chunk's mark is written after its values: who is killed in between computes it again.
    Chunks are always of the same samples, so that the values do not hang on who asked first.
    """

    def __init__(self, folder: Path | None, count: int, example: Tensor) -> None:
        self._count = count
        self._values = _array(
            folder, "outputs.npy", (count, *example.shape[1:]), "float32"
        )
        self._done = _array(folder, "done.npy", (-(-count // CHUNK),), "uint8")

    def missing(self) -> list[Tensor]:
        """The samples that nobody has computed, in chunks."""
        return [
            torch.arange(chunk * CHUNK, min(self._count, (chunk + 1) * CHUNK))
            for chunk in np.flatnonzero(self._done == 0).tolist()
        ]

    def keep(self, chunk: Tensor, outputs: Tensor) -> None:
        self._values[chunk.numpy()] = outputs.float().cpu().numpy()
        self._done[int(chunk[0]) // CHUNK] = 1

    def take(self, numbers: Tensor) -> Tensor:
        return torch.from_numpy(self._values[numbers.numpy()])


def fits(folder: Path | None, count: int, example: Tensor) -> bool:
    """Whether there is room for `count` answers like those of `example`."""
    size = count * example[0].numel() * 4
    if folder is None:
        return size <= _MEMORY
    folder.mkdir(parents=True, exist_ok=True)
    return size <= DISK_SHARE * shutil.disk_usage(folder).free


def _array(
    folder: Path | None, name: str, shape: tuple[int, ...], dtype: str
) -> np.ndarray[Any, Any]:
    if folder is None:
        return np.zeros(shape, dtype)
    path = folder / name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f".{name}-{os.getpid()}"
        np.lib.format.open_memmap(partial, "w+", dtype, shape).flush()
        partial.replace(path)
    mapped: np.ndarray[Any, Any] = np.lib.format.open_memmap(path, "r+")
    return mapped
