"""Sampling of batches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from edgekit.data import Dataset
from edgekit.data.samples import InMemory
from edgekit.distill.sampler import TrainSampler
from edgekit.distill.tasks import checked_augment
from edgekit.errors import TrainingError
from edgekit.types import Preprocess
from tests.unit.distill.test_optimize import RECIPE, samples

RAW = Preprocess(scale=1.0)


def test_samples_are_mixed_with_their_partners() -> None:
    data = samples()
    sampler = TrainSampler(data, replace(RECIPE, mixup=0.4), (torch.float32,), 0)
    indices = torch.arange(8)
    mixup = sampler.mixup(len(indices))
    assert mixup is not None and 0 < mixup.fraction < 1
    taken = sampler.take(indices, torch.arange(8), None, mixup)
    x, y = data.arrays()
    partner = mixup.partner.numpy()
    blended = mixup.fraction * x[:8] + (1 - mixup.fraction) * x[partner]
    np.testing.assert_allclose(taken.inputs[0], blended, rtol=1e-5, atol=1e-6)
    assert taken.other is not None and taken.fraction == mixup.fraction
    assert taken.targets.tolist() == y[:8].tolist()
    assert taken.other.tolist() == y[partner].tolist()
    assert TrainSampler(data, RECIPE, (torch.float32,), 0).mixup(8) is None


def test_boxes_move_with_their_images() -> None:
    x = np.zeros((4, 1, 16, 16), np.float32)
    x[:, :, 6:10, 5:9] = 1.0
    boxes = np.tile(np.array([5, 6, 9, 10, 0], np.float32), (4, 1, 1))
    data = Dataset(InMemory(values=x), boxes, labels=("a",), preprocess=RAW)
    data.boxed = True
    sampler = TrainSampler(data, replace(RECIPE, augment="shift"), (torch.float32,), 0)
    everything = torch.arange(4)
    moves = sampler.augmentation(everything, 1)
    taken = sampler.take(everything, everything, moves, None)
    for image, ((left, top, *_),) in zip(taken.inputs[0], taken.targets, strict=True):
        row, column = image[0].nonzero()[0].tolist()
        assert (column, row) == (left, top)
    assert (taken.targets[:, 0, :2] != torch.tensor([5, 6])).any()


def test_views_of_rand_come_again() -> None:
    """A sample has as many forms as views, in every epoch and in the teacher's outputs."""
    x = np.random.default_rng(0).random((8, 1, 12, 12), np.float32)
    data = Dataset(InMemory(values=x), np.arange(8), labels=(), preprocess=RAW)
    every, recipe = torch.arange(8), replace(RECIPE, augment="rand", views=2)
    sampler = TrainSampler(data, recipe, (torch.float32,), 0)
    assert sampler.versions == 2
    seen = []
    for epoch in (1, 2, 3):
        moves = sampler.augmentation(every, epoch)
        seen.append(sampler.take(every, every, moves, None).inputs[0])
    assert torch.equal(seen[0], seen[2]) and not torch.equal(seen[0], seen[1])
    [(kept,)] = sampler.still([every], sampler.version(2))
    torch.testing.assert_close(kept, seen[1])


def test_the_users_own_change_is_drawn_for_each_batch() -> None:
    """The same for the same seed, and different from batch to batch."""

    def change(
        inputs: torch.Tensor, targets: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        noise = torch.randn(inputs.shape, generator=generator)
        return inputs + noise, 1 - targets

    data, four = samples(), torch.arange(4)
    own = checked_augment(change, "change")

    def drawn() -> list[torch.Tensor]:
        sampler = TrainSampler(data, RECIPE, (torch.float32,), 0, own)
        assert sampler.versions is None
        found = []
        for epoch in (1, 2):
            moves = sampler.augmentation(four, epoch)
            taken = sampler.take(four, four, moves, None)
            assert taken.targets.tolist() == (1 - data.targets[:4]).tolist()
            found.append(taken.inputs[0])
        return found

    first, second = drawn()
    torch.testing.assert_close((first, second), tuple(drawn()))
    assert not torch.allclose(first, second)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y, g: x, r"own returned Tensor. Return \(inputs, targets\)"),
        (lambda x, y, g: (x[:1], y), "own returned no tensors of the shapes"),
        (lambda x, y, g: (x.numpy(), y), "own returned no tensors of the shapes"),
    ],
)
def test_a_change_that_is_none_is_one_line(change: Any, message: str) -> None:
    own = checked_augment(change, "own")
    sampler = TrainSampler(samples(), RECIPE, (torch.float32,), 0, own)
    four = torch.arange(4)
    with pytest.raises(TrainingError, match=message):
        sampler.take(four, four, None, None)
