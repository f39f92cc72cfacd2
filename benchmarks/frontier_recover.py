"""The recovery every method of `benchmarks/latency_frontier.py` gets, and its accuracy.

Distillation from the whole network (soft targets at temperature 4, weight 0.9, and labels) by
stochastic gradient descent, the rate going up and down once, on a fixed subset of the training
images for each seed. The teacher's outputs on the augmented images are made once for each seed and
shared by all methods, which therefore see the very same batches in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks import cifar
from edgekit.program.program import Program, set_training, trace
from edgekit.types import InputSpec
from tests.zoo.vision import ResNet20

INPUT = (InputSpec(shape=(3, 32, 32)),)
BATCH = 64
LEARNING_RATE = 0.02
TEMPERATURE = 4.0
SOFT_WEIGHT = 0.9
SCORING_IMAGES = 256
VALIDATION_IMAGES = 1000
FITTING_IMAGES = 1024


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Common inputs of all methods: the trained network, images, and the recovery."""

    weights: Path
    data: Path
    train_images: int
    test_images: int
    epochs: int

    def network(self) -> ResNet20:
        network = ResNet20()
        network.load_state_dict(load_file(self.weights))
        return network.eval()

    @cached_property
    def program(self) -> Program:
        return trace(self.network(), INPUT)

    @cached_property
    def images(self) -> cifar.Images:
        """Training images: for scoring, for validation, and the rest for recovery."""
        count = SCORING_IMAGES + VALIDATION_IMAGES + 2 * self.train_images
        return cifar.read(self.data, "train", count)

    @cached_property
    def test(self) -> cifar.Images:
        return cifar.read(self.data, "test", self.test_images)

    @property
    def scoring(self) -> tuple[Tensor, Tensor]:
        """Samples that criteria score units on: the same for every method and seed."""
        part = slice(SCORING_IMAGES)
        return self.images.pixels[part], self.images.labels[part]

    @property
    def fitting(self) -> Tensor:
        """Training images, without labels, that cut layers are fitted on before recovery."""
        first = SCORING_IMAGES + VALIDATION_IMAGES
        return self.images.pixels[first : first + FITTING_IMAGES]

    @property
    def validation(self) -> cifar.Images:
        part = slice(SCORING_IMAGES, SCORING_IMAGES + VALIDATION_IMAGES)
        return cifar.Images(
            pixels=self.images.pixels[part], labels=self.images.labels[part]
        )

    def recovery(self, seed: int) -> cifar.Images:
        """The training images of a seed, drawn from those that are not held out."""
        part = slice(SCORING_IMAGES + VALIDATION_IMAGES, None)
        rest = replace(
            self.images,
            pixels=self.images.pixels[part],
            labels=self.images.labels[part],
        )
        return rest.subset(self.train_images, seed)


class Lessons:
    """Augmented batches with the teacher's outputs, by seed."""

    def __init__(self, setting: Setting, cache: Path) -> None:
        self.setting = setting
        self._cache = cache
        self._outputs: dict[int, list[Tensor]] = {}

    def batches(self, seed: int) -> list[tuple[Tensor, Tensor, Tensor]]:
        """(pixels, labels, teacher's outputs) of all epochs, in order."""
        images, setting = self.setting.recovery(seed), self.setting
        given = [
            batch
            for epoch in range(setting.epochs)
            for batch in images.augmented(BATCH, 1000 * seed + epoch)
        ]
        return [
            (x, y, soft)
            for (x, y), soft in zip(given, self._distilled(seed, given), strict=True)
        ]

    def _distilled(self, seed: int, given: list[tuple[Tensor, Tensor]]) -> list[Tensor]:
        setting = self.setting
        name = f"teacher-{seed}-{setting.train_images}-{setting.epochs}.pt"
        if seed not in self._outputs:
            path = self._cache / name
            if not path.is_file():
                teacher = setting.network()
                with torch.no_grad():
                    outputs = [teacher(x) for x, _ in given]
                self._cache.mkdir(parents=True, exist_ok=True)
                torch.save(outputs, path.with_suffix(".partial"))
                path.with_suffix(".partial").replace(path)
            self._outputs[seed] = torch.load(path, weights_only=True)
        return self._outputs[seed]


def recover(program: Program, lessons: Lessons, seed: int) -> None:
    """Teach the program, in place; matrix products and convolutions run in bfloat16."""
    torch.manual_seed(seed)
    module, batches = program.module, lessons.batches(seed)
    module.to(memory_format=torch.channels_last)
    set_training(module, True)
    optimizer = torch.optim.SGD(
        module.parameters(), LEARNING_RATE, momentum=0.9, weight_decay=5e-4
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=len(batches), pct_start=0.2
    )
    for pixels, labels, soft in batches:
        with torch.autocast("cpu", torch.bfloat16):
            outputs = module(pixels.contiguous(memory_format=torch.channels_last))
        optimizer.zero_grad()
        loss(outputs.float(), labels, soft).backward()
        nn.utils.clip_grad_norm_(module.parameters(), 5.0)
        optimizer.step()
        schedule.step()
    set_training(module, False)
    module.to(memory_format=torch.contiguous_format)


def loss(outputs: Tensor, labels: Tensor, soft: Tensor) -> Tensor:
    distance = F.kl_div(
        F.log_softmax(outputs / TEMPERATURE, 1),
        F.log_softmax(soft / TEMPERATURE, 1),
        reduction="batchmean",
        log_target=True,
    )
    hard = F.cross_entropy(outputs, labels)
    return SOFT_WEIGHT * TEMPERATURE**2 * distance + (1 - SOFT_WEIGHT) * hard


def accuracy(network: nn.Module, images: cifar.Images) -> float:
    right = 0
    with torch.no_grad():
        for inputs, labels in images.batches(250):
            right += int((network(inputs).argmax(1) == labels).sum())
    return right / len(images.labels)
