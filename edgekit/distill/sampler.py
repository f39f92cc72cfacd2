"""Training samples as the student sees them: in which order, how augmented, how mixed.

Everything random is drawn for a whole batch from one generator, the same in every process, of
which each then takes its part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from edgekit.data import Dataset
from edgekit.distill.augment import AugmentParams, along, augment, draw, moved_boxes
from edgekit.distill.batches import Batch, Batches, Inputs
from edgekit.distill.sample_transform import SampleTransform
from edgekit.distill.tasks import Augment
from edgekit.types import DistillRecipe


@dataclass(frozen=True, kw_only=True)
class MixupParams:
    """Mixup: `fraction` of each sample, the rest of the one that `partner` names in the batch."""

    fraction: float
    partner: Tensor


@dataclass(frozen=True, kw_only=True)
class Mixed:
    """Inputs with their targets, and those of what was mixed into them."""

    inputs: Inputs
    targets: Tensor
    indices: Tensor
    other: Tensor | None = None
    fraction: float = 1.0


class TrainSampler:
    """The training samples under a recipe."""

    def __init__(
        self,
        dataset: Dataset,
        recipe: DistillRecipe,
        dtypes: Sequence[torch.dtype],
        seed: int,
        own: Augment | SampleTransform | None = None,
    ) -> None:
        """`own` changes batches behind the recipe's augmentation."""
        self.generator = torch.Generator().manual_seed(seed)
        own = own.of(dataset) if isinstance(own, SampleTransform) else own
        self._recipe, self._own, self._own_seed = recipe, own, 0
        self._preprocess = [column.preprocess for column in dataset.columns]
        floats = all(dtype.is_floating_point for dtype in dtypes)
        self._mixes = bool(recipe.mixup) and floats
        self._batches = Batches(dataset, dtypes)
        self._images = _images(self._batches.shapes)
        self._views: dict[int, AugmentParams | None] = {}
        self._boxed = dataset.boxed
        shape = dataset.target_shape
        self._masks = dataset.mapped
        # Class maps of another size than the image's could not follow it.
        still = self._masks and any(shape[-2:] != s[1:] for s in self._images)
        self._augment = "none" if still else recipe.augment or "none"
        self._moves = self._draw(1, torch.Generator()) is not None

    def __len__(self) -> int:
        return len(self._batches)

    @property
    def versions(self) -> int | None:
        """In how many forms a sample comes; `None` where it is another every time."""
        if self._own is not None or self._mixes:
            return None
        if self._moves and self._recipe.views is None:
            return None
        return self._recipe.views or 1 if self._moves else 1

    def version(self, epoch: int) -> int:
        """Index of the fixed augmented form of every sample in an epoch, from 1."""
        return (epoch - 1) % (self._recipe.views or 1) if self._moves else 0

    def order(self) -> Tensor:
        """A random permutation of the sample indices (n,)."""
        return torch.randperm(len(self), generator=self.generator)

    def read_ahead(self, batches: Sequence[Tensor], mine: Sequence[Tensor]) -> None:
        """Read the next batches ahead, of each the positions `mine`, or all where samples are
        mixed with any other of their batch."""
        parts = [
            batch if self._mixes else batch[own]
            for batch, own in zip(batches, mine, strict=True)
        ]
        self._batches.read_ahead(parts)

    def advance(self) -> None:
        """Have the samples of the next of those batches at hand."""
        self._batches.advance()

    def augmentation(self, indices: Tensor, epoch: int) -> AugmentParams | None:
        """Augmentation parameters of one batch."""
        if self._own is not None:
            self._own_seed = int(torch.randint(2**31, (1,), generator=self.generator))
        if self._recipe.views is None:
            return self._draw(len(indices), self.generator)
        every = self._view(self.version(epoch))
        return None if every is None else every[indices]

    def mixup(self, count: int) -> MixupParams | None:
        """Partners and fraction for a batch of `count` samples; `None` without mixup."""
        if not self._mixes:
            return None
        seed = int(torch.randint(2**31, (1,), generator=self.generator))
        alpha = self._recipe.mixup
        return MixupParams(
            fraction=float(np.random.default_rng(seed).beta(alpha, alpha)),
            partner=torch.randperm(count, generator=self.generator),
        )

    def take(
        self,
        indices: Tensor,
        mine: Tensor,
        augmentation: AugmentParams | None,
        mixup: MixupParams | None,
    ) -> Mixed:
        """Samples `mine` (positions) of a batch of `numbers`, augmented and mixed."""
        batch = self._taken(indices, mine, augmentation)
        plain = Mixed(inputs=batch.inputs, targets=batch.targets, indices=batch.indices)
        if mixup is None:
            return plain
        other = self._taken(indices, mixup.partner[mine], augmentation)
        return replace(
            plain,
            inputs=tuple(
                mixup.fraction * one + (1 - mixup.fraction) * two
                for one, two in zip(batch.inputs, other.inputs, strict=True)
            ),
            other=other.targets,
            fraction=mixup.fraction,
        )

    def still(self, parts: Sequence[Tensor], version: int = 0) -> Iterator[Inputs]:
        """Inputs of the samples of each part in one of their fixed forms."""
        every = self._view(version) if self._recipe.views is not None else None
        for batch in self._batches.each(parts):
            moved = None if every is None else every[batch.indices]
            yield self._changed(batch, moved).inputs

    def plain(self, indices: Tensor) -> Batch:
        """Samples as they are."""
        return self._batches.take(indices)

    def _taken(
        self, indices: Tensor, mine: Tensor, augmentation: AugmentParams | None
    ) -> Batch:
        moved = None if augmentation is None else augmentation[mine]
        batch = self._changed(self._batches.take(indices[mine]), moved)
        if self._own is None or not len(mine):
            return batch
        generator = torch.Generator().manual_seed(self._own_seed + int(mine[0]))
        inputs, targets = self._own(batch.inputs, batch.targets, generator)
        return replace(batch, inputs=inputs, targets=targets)

    def _changed(self, batch: Batch, moved: AugmentParams | None) -> Batch:
        targets = self._along(batch.targets, moved)
        inputs = tuple(
            augment(x, moved, how) if x.ndim == 4 else x
            for x, how in zip(batch.inputs, self._preprocess, strict=True)
        )
        return replace(batch, inputs=inputs, targets=targets)

    def _along(self, targets: Tensor, moved: AugmentParams | None) -> Tensor:
        """Targets as their images are moved."""
        if self._boxed:
            (shape,) = self._images
            return moved_boxes(targets, moved, shape[1:])
        return along(targets, moved) if self._masks else targets

    def _view(self, version: int) -> AugmentParams | None:
        """The changes of every sample in one of a fixed number of views."""
        if version not in self._views:
            # Not the training's seed: the teacher's answers serve every training.
            generator = torch.Generator().manual_seed(version)
            self._views[version] = self._draw(len(self), generator)
        return self._views[version]

    def _draw(self, count: int, generator: torch.Generator) -> AugmentParams | None:
        shape = next(iter(self._images), ())
        # Two images of different sizes could not be moved alike.
        kind = self._augment if len(self._images) == 1 else "none"
        return draw(count, shape, kind, generator)


def _images(shapes: Sequence[tuple[int, ...]]) -> set[tuple[int, ...]]:
    """The shapes of the inputs that are images."""
    return {shape for shape in shapes if len(shape) == 3}
