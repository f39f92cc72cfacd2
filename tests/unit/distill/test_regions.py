"""Where a teacher sees things."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.data import Dataset
from edgekit.data.samples import InMemory
from edgekit.distill import distill
from edgekit.distill.regions import of_task
from edgekit.distill.tasks import of_functions, of_spec
from edgekit.errors import ProjectError
from edgekit.program.program import Program, trace
from edgekit.types import (
    BoxDecoder,
    DistillRecipe,
    InputSpec,
    Preprocess,
    TaskSpec,
)

IMAGE = InputSpec(shape=(1, 20, 40))
SPEC = TaskSpec(
    kind="detection", decoder=BoxDecoder(head="boxes", size=(20, 40), confidence=0.5)
)


class Detector(nn.Module):
    """A box in pixels and two probabilities for each cell of 4 pixels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, width, 4, 4), nn.ReLU())
        self.head = nn.Conv2d(width, 6, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = self.head(self.body(x)).flatten(2).transpose(1, 2)
        return torch.cat([20 * found[..., :4], found[..., 4:].sigmoid()], 2)


def network(width: int, seed: int = 0) -> Program:
    torch.manual_seed(seed)
    return trace(Detector(width), (IMAGE,))


def test_sure_boxes_are_fractions_of_the_image() -> None:
    task = of_spec(SPEC, Path())
    find = of_task(task, network(4))
    outputs = torch.tensor(
        [
            [[4.0, 5, 20, 10, 0.9, 0.1], [0, 0, 40, 20, 0.4, 0.1]],
            [[0.0, 0, 40, 20, 0.2, 0.1], [0, 0, 40, 20, 0.1, 0.3]],
        ]
    )
    expected = torch.tensor([[[0.1, 0.25, 0.5, 0.5]], [[1, 1, 0, 0]]])
    torch.testing.assert_close(find(outputs), expected)


def test_a_detector_without_a_decoder_is_refused() -> None:
    task = of_functions(replace(SPEC, decoder=None), None)
    with pytest.raises(ProjectError, match=r"Name its \[task\] decoder"):
        of_task(task, network(4))


def test_a_smaller_detector_learns_by_it_without_labels() -> None:
    """Its maps come nearer to the teacher's than by outputs alone, in the teacher's width."""
    values = np.random.default_rng(0).normal(size=(48, 1, 20, 40)).astype(np.float32)
    boxes = np.full((48, 1, 5), np.nan, np.float32)
    data = Dataset(
        InMemory(values=values),
        boxes,
        labels=("a", "b"),
        preprocess=Preprocess(scale=1),
    )
    losses = {"focal-features": 1.0}
    recipe = DistillRecipe(
        epochs=3, batch_size=16, optimizer="adamw", augment="none", losses=losses
    )
    found = distill(
        network(8),
        network(4, 1),
        train=data,
        validation=data,
        recipe=recipe,
        seed=0,
        task=of_spec(SPEC, Path()),
    )
    assert found.epochs[-1].loss < found.epochs[0].loss
    assert dict(found.losses) == losses
    assert "map" not in {name for name, _ in found.program.module.named_parameters()}
