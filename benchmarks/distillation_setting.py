"""Shared parts of the distillation benchmarks: images, networks, and the training of
students."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from benchmarks import cifar
from edgekit.data import Dataset
from edgekit.data.samples import InMemory
from edgekit.distill import Distilled, distill
from edgekit.program.program import Program, trace
from edgekit.types import DistillRecipe, InputSpec, Preprocess
from tests.zoo.vision import ResNet20

ROOT = Path(__file__).parents[1]
INPUT = (InputSpec(shape=(3, 32, 32)),)
CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
TRAIN, VALIDATION, TEST = 1024, 512, 2000
STUDENT = (8, 16, 40)
"""Widths of the student's three stages; the teacher's are 16, 32 and 64."""
RECIPE = DistillRecipe(
    epochs=6,
    batch_size=32,
    learning_rate=0.1,
    augment="shift-flip",
    views=2,
    losses={},
)
"""Common data of all arms: every image in two views, each three times."""


class Narrow(ResNet20):
    """ResNet-20 of other widths."""

    def __init__(self, widths: tuple[int, int, int], classes: int = 10) -> None:
        nn.Module.__init__(self)
        one, two, three = widths
        self.conv1 = nn.Conv2d(3, one, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(one)
        self.layer1 = self._stage(one, one)
        self.layer2 = self._stage(one, two)
        self.layer3 = self._stage(two, three)
        self.linear = nn.Linear(three, classes)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The trained network and fixed subsets of the images."""

    weights: Path
    data: Path
    cache: Path

    @cached_property
    def teacher(self) -> Program:
        network = ResNet20()
        network.load_state_dict(load_file(self.weights))
        return trace(network, INPUT)

    @cached_property
    def images(self) -> tuple[Dataset, Dataset]:
        both = cifar.read(self.data, "train", TRAIN + VALIDATION)
        whole = dataset(both)
        parts = np.split(np.arange(TRAIN + VALIDATION), [TRAIN])
        return whole.subset(parts[0]), whole.subset(parts[1])

    @cached_property
    def test(self) -> Dataset:
        return dataset(cifar.read(self.data, "test", TEST))

    def student(self, widths: tuple[int, int, int], seed: int) -> Program:
        torch.manual_seed(seed)
        return trace(Narrow(widths), INPUT)

    def teach(
        self,
        teacher: Program | Sequence[Program],
        student: Program,
        recipe: DistillRecipe,
        seed: int,
    ) -> Distilled:
        train, validation = self.images
        return distill(
            teacher,
            student,
            train=train,
            validation=validation,
            recipe=recipe,
            seed=seed,
            outputs_folder=self.cache,
        )


def dataset(images: cifar.Images) -> Dataset:
    return Dataset(
        InMemory(values=images.pixels.numpy()),
        images.labels.numpy(),
        labels=CLASSES,
        preprocess=Preprocess(scale=1),
    )


def paths(parser: argparse.ArgumentParser) -> None:
    """Where the images and the trained network are."""
    shared = ROOT.parent / "shared"
    parser.add_argument("--data", type=Path, default=shared / "data/cifar10-jpeg.zip")
    parser.add_argument(
        "--weights",
        type=Path,
        default=shared / "models/resnet20-cifar10-jpeg.safetensors",
    )
