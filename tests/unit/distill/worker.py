"""One small training, run in processes of its own: `python worker.py FOLDER [kill-after STEP]`.

Launched several times over, its processes train together.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from edgekit.data import Dataset
from edgekit.data.samples import InMemory
from edgekit.distill import Distilled, Hooks, distill
from edgekit.distill.processes import Processes
from edgekit.distill.sampler import Mixed, TrainSampler
from edgekit.program.program import Program, trace
from edgekit.types import DistillRecipe, InputSpec, Preprocess

INPUT = InputSpec(shape=(1, 6, 6))
RECIPE = DistillRecipe(
    epochs=2,
    batch_size=16,
    learning_rate=0.05,
    soft_weight=0.1,
    augment="shift-flip",
    losses={"attention-transfer": 0.5},
    ema=0.5,
    checkpoint_minutes=0.0,
)


def network(width: int, seed: int) -> Program:
    torch.manual_seed(seed)
    module = nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(width * 36, 4),
    )
    return trace(module, (INPUT,))


def samples(count: int, seed: int) -> Dataset:
    generator = np.random.default_rng(seed)
    targets = generator.integers(0, 4, count)
    values = generator.normal(size=(count, 1, 6, 6)).astype(np.float32)
    for image, side in zip(values, targets, strict=True):
        np.rot90(image[0], side)[0] += 1.5
    return Dataset(
        InMemory(values=values),
        targets,
        labels=("a", "b", "c", "d"),
        preprocess=Preprocess(scale=1),
    )


def trainer(
    recipe: DistillRecipe, folder: Path | None = None, kill_after: int | None = None
) -> Distilled:
    """70 samples: 4 batches of 16 and one of 6, which is an odd part for each of two."""
    steps = 0

    def count(module: fx.GraphModule) -> None:
        nonlocal steps
        steps += 1
        if steps == kill_after:
            os.kill(os.getpid(), signal.SIGKILL)

    return distill(
        network(8, 0),
        network(4, 1),
        train=samples(70, 0),
        validation=samples(31, 1),
        recipe=recipe,
        seed=3,
        hooks=Hooks(after_step=count),
        folder=folder,
    )


def _recorded() -> list[int]:
    """The samples that this process trains on, from now on."""
    seen: list[int] = []
    take = TrainSampler.take

    def recorded(sampler: TrainSampler, *given: Any) -> Mixed:
        found = take(sampler, *given)
        seen.extend(found.indices.tolist())
        return found

    TrainSampler.take = recorded  # type: ignore[method-assign]
    return seen


def main() -> None:
    folder = Path(sys.argv[1])
    if len(sys.argv) > 2:
        trainer(RECIPE, folder, kill_after=int(sys.argv[2]))
        return
    results: dict[str, Any] = {}
    seen = _recorded()
    recipes = {
        "ddp": RECIPE,
        "fsdp": replace(RECIPE, shard=True),
        "parts": replace(RECIPE, accumulate=2),
        "kept": replace(RECIPE, losses={}, augment="none"),
    }
    for name, recipe in recipes.items():
        own = folder / name
        distilled = trainer(recipe, own)
        results[name] = {
            "losses": [epoch.loss for epoch in distilled.epochs],
            "weights": distilled.program.module.state_dict()["4.weight"].tolist(),
            "hit_rate": distilled.teacher_hit_rate,
            "samples": Processes().everyone(list(seen)),
        }
        seen.clear()
    if torch.distributed.get_rank() == 0:
        (folder / "results.json").write_text(json.dumps(results))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
