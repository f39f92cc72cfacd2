"""Distillation beyond image classes: a transformer on text, a U-Net on images with masks.

    python -m benchmarks.distillation_toys [--seeds 0 1 2]

The teachers and the data are those of `examples/text` and `examples/segment`. Narrower students
are trained from scratch with equal epochs, on fewer samples than the examples have. Rows already
in `benchmarks/results/distillation_toys.json` are kept.
"""

from __future__ import annotations

import argparse
import runpy
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.results import Row, Table
from edgekit import data, sources
from edgekit.config import project
from edgekit.config.project import Project
from edgekit.config.resources import shipped
from edgekit.data import Dataset, split
from edgekit.data.metrics import named
from edgekit.distill import distill
from edgekit.distill.objective import resolved
from edgekit.evaluate.accuracy import predict
from edgekit.program.program import Program, trace
from edgekit.types import DistillRecipe, LossName

PACKAGES = ("torch", "accelerate", "scikit-learn")


@dataclass(frozen=True, kw_only=True)
class Toy:
    """An example, a student for its teacher, and what they are compared by."""

    example: str
    network: str
    """The class in the example's `model.py`."""
    student: Mapping[str, int]
    """Arguments of the student's class."""
    samples: int
    """Of training and validation together."""
    recipe: DistillRecipe
    losses: Mapping[str, Mapping[LossName, float] | None]

    @cached_property
    def project(self) -> Project:
        return project.load(shipped(f"examples/{self.example}"))

    @cached_property
    def teacher(self) -> Program:
        return sources.load(self.project.model, root=self.project.root)

    @cached_property
    def data(self) -> tuple[Dataset, Dataset, Dataset]:
        """Training, validation and test data."""
        whole = self._read(self.project.data.train)
        few = np.random.default_rng(0).permutation(len(whole))[: self.samples]
        test = self._read(self.project.data.test)
        return *split(whole.subset(few), 0.15, 0), test

    def _read(self, spec: str) -> Dataset:
        return data.load(
            spec,
            root=self.project.root,
            input=self.teacher.inputs[0],
            preprocess=self.project.data.preprocess,
            kind=self.project.task.kind,
        )

    def untaught(self, seed: int) -> Program:
        torch.manual_seed(seed)
        network = runpy.run_path(str(self.project.root / "model.py"))[self.network]
        module: nn.Module = network(**self.student)
        return trace(module, self.teacher.inputs, self.teacher.dtypes)

    def arms(self) -> dict[str, DistillRecipe]:
        """Labels alone, and soft targets with each of the further losses."""
        soft = {
            name: replace(self.recipe, losses=losses)
            for name, losses in self.losses.items()
        }
        return {"labels": replace(self.recipe, soft_weight=0.0, losses={}), **soft}

    def distilled(self, recipe: DistillRecipe, seed: int) -> Program:
        train, validation, _ = self.data
        return distill(
            self.teacher,
            self.untaught(seed),
            train=train,
            validation=validation,
            recipe=recipe,
            seed=seed,
            kind=self.project.task.kind,
        ).program

    def judged(self, program: Program) -> Row:
        test = self.data[2]
        measure = named(self.project.task, self.project.root)
        found = measure(predict(program, test), test.targets)
        return {"metric": found.metric, "value": found.value}


TOYS: Mapping[str, Toy] = {
    "transformer": Toy(
        example="text",
        network="TextNet",
        student={"width": 52, "depth": 2, "heads": 4, "hidden": 104},
        samples=3000,
        recipe=DistillRecipe(
            epochs=8,
            batch_size=64,
            optimizer="adamw",
            learning_rate=3e-3,
            augment="none",
            temperature=2.0,
        ),
        losses={
            "soft-targets": {},
            "hidden-states": {"hidden-states": 1.0},
            "attention-relations": {"attention-relations": 1.0},
        },
    ),
    "segmentation": Toy(
        example="segment",
        network="UNet",
        student={"width": 11},
        samples=800,
        recipe=DistillRecipe(
            epochs=8,
            batch_size=32,
            optimizer="adamw",
            learning_rate=6e-3,
            augment="none",
            temperature=2.0,
        ),
        losses={"soft-targets": {}, "default": None},
    ),
}


def operations(program: Program) -> int:
    """Floating-point operations of one inference, in convolutions and products of matrices."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        program.module(*program.example())
    return int(counter.get_total_flops())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--toys", nargs="+", choices=TOYS, default=list(TOYS))
    parser.add_argument("--arms", nargs="+", help="all where not given")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    table = Table("distillation_toys", ("toy", "arm", "seed"), PACKAGES)
    for name in arguments.toys:
        toy = TOYS[name]
        if table.find(toy=name, arm="teacher", seed=0) is None:
            row = {"toy": name, "arm": "teacher", "seed": 0, **_teacher(toy)}
            table.add(row, summary)
            print(row, flush=True)
        for seed in arguments.seeds:
            for arm, recipe in toy.arms().items():
                expected = not arguments.arms or arm in arguments.arms
                if expected and table.find(toy=name, arm=arm, seed=seed) is None:
                    row = {"toy": name, "arm": arm, "seed": seed}
                    row |= measured(toy, recipe, seed)
                    table.add(row, summary)
                    print(row, flush=True)


def _teacher(toy: Toy) -> Row:
    student = toy.untaught(0)
    train, validation, _ = toy.data
    cost: dict[str, Any] = {
        "operations": operations(toy.teacher),
        "student_operations": operations(student),
        "train": len(train),
        "validation": len(validation),
        "epochs": toy.recipe.epochs,
        "default_losses": dict(
            resolved(
                replace(toy.recipe, losses=None),
                toy.teacher,
                student,
                toy.project.task.kind,
            ).losses
            or {}
        ),
    }
    return {**toy.judged(toy.teacher), **cost}


def measured(toy: Toy, recipe: DistillRecipe, seed: int) -> Row:
    """One training, judged on the test data after everything was chosen."""
    started = time.process_time()
    found = toy.judged(toy.distilled(recipe, seed))
    return {**found, "cpu_s": round(time.process_time() - started, 1)}


def summary(rows: list[Row]) -> Row:
    """The metric on the test data by toy and arm: the mean over seeds, and its spread."""
    together: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        together[row["toy"]][row["arm"]].append(row["value"])
    return {
        toy: {
            arm: {
                "mean": mean(values),
                "std": stdev(values) if len(values) > 1 else None,
                "seeds": len(values),
            }
            for arm, values in arms.items()
        }
        for toy, arms in together.items()
    }


if __name__ == "__main__":
    main()
