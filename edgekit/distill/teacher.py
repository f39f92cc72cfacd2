"""The teacher's outputs for each training sample: computed every time, or once and
stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from edgekit.data.memory import at_once
from edgekit.distill.batches import Inputs, on
from edgekit.distill.features import ModelOutputs, view
from edgekit.distill.kept_outputs import CHUNK, KeptOutputs
from edgekit.distill.processes import Processes
from edgekit.program.placement import to_device


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

        Each process computes its part of the shards; one whose disk does not show the others'
        computes these, too.
        """
        if version in self._kept:
            return
        [first] = inputs([torch.arange(1)])
        answer = self.compute(on(self._on.device, first))
        example, self._shapes = packed(answer), shapes_of(answer)
        kept = KeptOutputs(folder, count, example)
        size = at_once(sum(x.nbytes for x in first), CHUNK)
        # As the first process finds them: each must part the same list.
        missing = self._on.tell(kept.missing())
        self._fill(kept, missing[self._on.number :: self._on.count], size, inputs)
        self._on.wait()
        self._fill(kept, kept.missing(), size, inputs)
        self._kept[version] = kept

    def _fill(
        self,
        kept: KeptOutputs,
        shards: Sequence[int],
        size: int,
        inputs: Callable[[Sequence[Tensor]], Iterator[Inputs]],
    ) -> None:
        """Keep the answers to shards, `size` samples of a chunk computed at a time."""
        chunks = [torch.split(kept.samples(number), CHUNK) for number in shards]
        parts = [[p for one in each for p in torch.split(one, size)] for each in chunks]
        given = inputs([part for each in parts for part in each])
        for number, each in zip(shards, parts, strict=True):
            self.computed += sum(map(len, each))
            found = [self.compute(on(self._on.device, next(given))) for _ in each]
            kept.keep(number, torch.cat([packed(one).cpu() for one in found]))

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
