"""Distillation beyond image classes: a transformer on made sequences, segmentation of real images.

    python -m benchmarks.distillation_toys [--seeds 0 1 2]

`transformer` recalls which value followed a key in a made sequence. `segmentation` finds
scikit-learn's handwritten digits on crops of its photograph. Teachers are trained by
labels, narrower students from scratch with equal epochs. Rows already in
`benchmarks/results/distillation_toys.json` are kept.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import mean

import numpy as np
import torch
from sklearn.datasets import load_digits, load_sample_image
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.results import Row, Table
from edgekit.data import Dataset, metrics
from edgekit.data.evaluate import predict
from edgekit.data.samples import InMemory
from edgekit.distill import distill
from edgekit.source.program import Program, trace
from edgekit.types import DistillRecipe, InputSpec, LossName, Preprocess, TaskKind

KEYS, VALUES, PAIRS = 6, 6, 6
SYMBOLS = KEYS + VALUES
SIZE = 24
PACKAGES = ("torch", "accelerate", "scikit-learn")


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = (
            nn.Linear(width, 2 * width),
            nn.Linear(2 * width, width),
        )

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        q, k, v = (
            part.reshape(batch, tokens, self.heads, -1).transpose(1, 2)
            for part in self.qkv(self.first(x)).chunk(3, dim=2)
        )
        mixed = F.scaled_dot_product_attention(q, k, v)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return x + self.narrow(F.gelu(self.wide(self.second(x))))


class Recall(nn.Module):
    """Which value followed the key that the last token asks for."""

    def __init__(self, width: int, depth: int, heads: int = 4) -> None:
        super().__init__()
        self.embed = nn.Linear(SYMBOLS, width)
        self.places = nn.Parameter(torch.randn(2 * PAIRS + 1, width) * 0.1)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, VALUES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.embed(x) + self.places)
        return self.head(self.norm(x)[:, -1])


class Dense(nn.Module):
    """A small encoder and decoder, one skip between them."""

    def __init__(self, width: int, classes: int = 11) -> None:
        super().__init__()

        def unit(before: int, after: int, stride: int = 1) -> nn.Sequential:
            return nn.Sequential(
                nn.Conv2d(before, after, 3, stride, 1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            )

        self.early = nn.Sequential(unit(1, width), unit(width, width))
        self.deep = nn.Sequential(
            unit(width, 2 * width, 2),
            unit(2 * width, 2 * width),
            unit(2 * width, width),
        )
        self.late = unit(2 * width, width)
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        early = self.early(x)
        deep = F.interpolate(self.deep(early), scale_factor=2.0)
        return self.head(self.late(torch.cat([early, deep], 1)))


@dataclass(frozen=True, kw_only=True)
class Toy:
    """A task, the sizes of teacher and student, and the arms."""

    kind: TaskKind
    input: InputSpec
    recipe: DistillRecipe
    teacher_epochs: int
    losses: Mapping[str, Mapping[LossName, float] | None]

    @cached_property
    def data(self) -> tuple[Dataset, Dataset, Dataset]:
        make = sequences if self.kind == "classification" else canvases
        return make(1500, 0), make(300, 1), make(600, 2)

    def network(self, who: str, seed: int) -> Program:
        torch.manual_seed(seed)
        large = who == "teacher"
        if self.kind == "classification":
            module: nn.Module = Recall(48, 2) if large else Recall(16, 1)
        else:
            module = Dense(16) if large else Dense(4)
        return trace(module, (self.input,))

    def arms(self) -> dict[str, DistillRecipe]:
        soft = {
            name: replace(self.recipe, losses=losses)
            for name, losses in self.losses.items()
        }
        return {"labels": replace(self.recipe, soft_weight=0.0, losses={}), **soft}

    @cached_property
    def teacher(self) -> Program:
        recipe = replace(
            self.recipe, soft_weight=0.0, losses={}, epochs=self.teacher_epochs
        )
        start = self.network("teacher", 0)
        return self.taught(start, start, recipe, 0)

    def taught(
        self, teacher: Program, student: Program, recipe: DistillRecipe, seed: int
    ) -> Program:
        train, validation, _ = self.data
        return distill(
            teacher,
            student,
            train=train,
            validation=validation,
            recipe=recipe,
            seed=seed,
            kind=self.kind,
        ).program

    def judged(self, program: Program) -> tuple[str, float]:
        test = self.data[2]
        found = metrics.measure(self.kind, predict(program, test), test.targets)
        return found.metric, found.value


TOYS: Mapping[str, Toy] = {
    "transformer": Toy(
        kind="classification",
        input=InputSpec(shape=(2 * PAIRS + 1, SYMBOLS)),
        recipe=DistillRecipe(
            epochs=15,
            batch_size=50,
            optimizer="adamw",
            learning_rate=4e-3,
            augment="none",
            temperature=2.0,
        ),
        teacher_epochs=30,
        losses={
            "soft-targets": {},
            "hidden-states": {"hidden-states": 1.0},
            "attention-scores": {"attention-scores": 1.0},
            "attention-relations": {"attention-relations": 1.0},
            "default": None,
        },
    ),
    "segmentation": Toy(
        kind="segmentation",
        input=InputSpec(shape=(1, SIZE, SIZE)),
        recipe=DistillRecipe(
            epochs=6, batch_size=50, learning_rate=0.1, augment="none", temperature=2.0
        ),
        teacher_epochs=12,
        losses={"soft-targets": {}, "default": None},
    ),
}


def sequences(count: int, seed: int) -> Dataset:
    """Key, value, key, value, ..., and a key again: one-hot (count, tokens, symbols)."""
    generator = np.random.default_rng(seed)
    keys = np.argsort(generator.random((count, KEYS)), axis=1)[:, :PAIRS]
    values = generator.integers(0, VALUES, (count, PAIRS))
    asked = generator.integers(0, PAIRS, count)
    row = np.arange(count)
    tokens = np.empty((count, 2 * PAIRS + 1), np.int64)
    tokens[:, 0:-1:2], tokens[:, 1:-1:2] = keys, KEYS + values
    tokens[:, -1] = keys[row, asked]
    inputs = np.eye(SYMBOLS, dtype=np.float32)[tokens]
    return _dataset(inputs, values[row, asked])


def canvases(count: int, seed: int) -> Dataset:
    """Two digits each on a crop of a photograph; every pixel's class, 10 is the photograph."""
    generator = np.random.default_rng(seed)
    digits = load_digits()
    photograph = load_sample_image("china.jpg").mean(2)
    third = len(digits.images) // 3
    pool = np.arange(third * seed, third * (seed + 1))
    inputs = np.empty((count, 1, SIZE, SIZE), np.float32)
    targets = np.full((count, SIZE, SIZE), 10, np.int64)
    for canvas, classes in zip(inputs[:, 0], targets, strict=True):
        top = generator.integers(photograph.shape[0] - SIZE)
        left = generator.integers(photograph.shape[1] - SIZE)
        canvas[:] = photograph[top : top + SIZE, left : left + SIZE] / 255
        for half in range(2):
            number = generator.choice(pool)
            y = generator.integers(SIZE - 8)
            x = half * SIZE // 2 + generator.integers(SIZE // 2 - 8 + 1)
            ink = digits.images[number] / 16
            part = slice(y, y + 8), slice(x, x + 8)
            canvas[part] = np.maximum(canvas[part] * (1 - ink), ink)
            classes[part][ink > 0.4] = digits.target[number]
    return _dataset((inputs - 0.5) / 0.3, targets)


def _dataset(inputs: np.ndarray, targets: np.ndarray) -> Dataset:
    return Dataset(
        InMemory(values=inputs), targets, labels=(), preprocess=Preprocess(scale=1)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--toys", nargs="+", choices=TOYS, default=list(TOYS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    table = Table("distillation_toys", ("toy", "arm", "seed"), PACKAGES)
    for name in arguments.toys:
        toy = TOYS[name]
        if table.find(toy=name, arm="teacher", seed=0) is None:
            metric, value = toy.judged(toy.teacher)
            row = {"toy": name, "arm": "teacher", "seed": 0, "metric": metric}
            table.add({**row, "value": value}, summary)
            print(name, "teacher", metric, value, flush=True)
        for seed in arguments.seeds:
            for arm, recipe in toy.arms().items():
                if table.find(toy=name, arm=arm, seed=seed) is None:
                    row = measured(toy, recipe, seed)
                    table.add({"toy": name, "arm": arm, "seed": seed, **row}, summary)
                    print(name, arm, seed, row, flush=True)


def measured(toy: Toy, recipe: DistillRecipe, seed: int) -> Row:
    started = time.process_time()
    student = toy.network("student", seed + 100)
    metric, value = toy.judged(toy.taught(toy.teacher, student, recipe, seed))
    return {"metric": metric, "value": value, "cpu_s": time.process_time() - started}


def summary(rows: list[Row]) -> Row:
    together: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        together[row["toy"]][row["arm"]].append(row["value"])
    return {
        "means": {
            toy: {arm: mean(values) for arm, values in arms.items()}
            for toy, arms in together.items()
        }
    }


if __name__ == "__main__":
    main()
