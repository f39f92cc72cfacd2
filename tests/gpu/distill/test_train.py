"""A training on each device that this machine has: the same student as on the CPU, within rounding.

On a machine without a GPU the same code runs on the CPU alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from torch import nn

from edgekit.data import Dataset
from edgekit.data.samples import InMemory
from edgekit.distill import Distilled, Hooks, distill
from edgekit.distill.processes import Processes
from edgekit.distill.tasks import of_spec
from edgekit.program.program import Program, trace
from edgekit.types import BoxDecoder, DistillRecipe, InputSpec, Preprocess, TaskSpec

IMAGE = InputSpec(shape=(1, 16, 16))
RECIPE = DistillRecipe(
    epochs=2,
    batch_size=16,
    optimizer="adamw",
    soft_weight=0.5,
    augment="none",
    losses={},
)
NEAR, OUTPUTS_NEAR = 0.02, 0.05
"""Tolerance of losses and of outputs, relative: float32 sums in another order, over 12 steps."""


class Net(nn.Module):
    def __init__(self, head: Callable[[], nn.Module], wide: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, wide, 3, 2, 1), nn.BatchNorm2d(wide), nn.ReLU(),
            nn.Conv2d(wide, 8, 3, 2, 1), nn.ReLU(),
        )  # fmt: skip
        self.head = head()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x))


class Rows(nn.Module):
    """Places of a map as rows (batch, places, numbers)."""

    def __init__(self, numbers: int) -> None:
        super().__init__()
        self.map = nn.Conv2d(8, numbers, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.map(x).flatten(2).transpose(1, 2)


@dataclass(frozen=True, kw_only=True)
class Case:
    spec: TaskSpec
    head: Callable[[], nn.Module]
    targets: Callable[[np.random.Generator, int], np.ndarray]
    recipe: DistillRecipe = RECIPE
    near: float = NEAR


def boxes(draw: np.random.Generator, count: int) -> np.ndarray:
    corner = draw.uniform(0, 8, (count, 2, 2))
    kinds = draw.integers(0, 2, (count, 2, 1))
    return np.concatenate([corner, corner + 6, kinds], 2).astype(np.float32)


def symbols(draw: np.random.Generator, count: int) -> np.ndarray:
    return draw.integers(1, 5, (count, 3))


def classes(draw: np.random.Generator, count: int) -> np.ndarray:
    return draw.integers(0, 3, count)


def flat(outputs: int) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(nn.Flatten(), nn.Linear(128, outputs))


DECODER = BoxDecoder(head="dfl", bins=4, strides=(4.0,), size=(16, 16))
CASES = {
    "classes": Case(
        spec=TaskSpec(kind="classification"), head=flat(3), targets=classes
    ),
    "mixed and averaged": Case(
        spec=TaskSpec(kind="classification"),
        head=flat(3),
        targets=classes,
        recipe=replace(RECIPE, mixup=0.4, ema=0.8, augment="shift-flip", views=2),
    ),
    "layers": Case(
        spec=TaskSpec(kind="classification"),
        head=flat(3),
        targets=classes,
        recipe=replace(RECIPE, losses={"hints": 1.0, "attention-transfer": 5.0}),
    ),
    "bfloat16": Case(
        spec=TaskSpec(kind="classification"),
        head=flat(3),
        targets=classes,
        recipe=replace(RECIPE, precision="bf16"),
        near=0.1,
    ),
    "several labels": Case(
        spec=TaskSpec(kind="multi-label"),
        head=flat(3),
        targets=lambda draw, count: draw.integers(0, 2, (count, 3)).astype(np.int16),
    ),
    "masks": Case(
        spec=TaskSpec(kind="segmentation"),
        head=lambda: nn.Conv2d(8, 3, 1),
        targets=lambda draw, count: draw.integers(0, 3, (count, 4, 4)).astype(np.int16),
    ),
    "symbols": Case(
        spec=TaskSpec(kind="sequence-recognition"),
        head=lambda: Rows(5),
        targets=symbols,
    ),
    "boxes": Case(
        spec=TaskSpec(kind="detection", decoder=DECODER),
        head=lambda: Rows(4 * 4 + 2),
        targets=boxes,
        recipe=replace(RECIPE, losses={"focal-features": 1.0}),
    ),
}


def network(case: Case, wide: int, seed: int) -> Program:
    torch.manual_seed(seed)
    return trace(Net(case.head, wide), (IMAGE,))


def samples(case: Case) -> Dataset:
    draw = np.random.default_rng(0)
    values = draw.normal(size=(96, 1, 16, 16)).astype(np.float32)
    found = Dataset(
        InMemory(values=values),
        case.targets(draw, 96),
        labels=(),
        preprocess=Preprocess(scale=1),
    )
    found.boxed = case.targets is boxes
    return found


def trained(case: Case) -> Distilled:
    data = samples(case)
    return distill(
        network(case, 12, 0),
        network(case, 6, 1),
        train=data,
        validation=data.subset(np.arange(32)),
        recipe=case.recipe,
        seed=0,
        task=of_spec(case.spec, Path()),
    )


def outputs(found: Distilled, case: Case) -> torch.Tensor:
    x, _ = samples(case).arrays()
    with torch.no_grad():
        made: torch.Tensor = found.program.module(torch.from_numpy(x))
    return made


@pytest.mark.parametrize("name", CASES)
def test_a_student_is_that_of_the_cpu(
    device: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[name]
    if case.targets is boxes:
        pytest.importorskip("faster_coco_eval")
    assert Processes().device.type == device
    found = trained(case)
    assert {p.device.type for p in found.program.module.parameters()} == {"cpu"}
    with monkeypatch.context() as alone:
        alone.setattr(torch.accelerator, "is_available", lambda: False)
        AcceleratorState._reset_state(reset_partial_state=True)
        reference = trained(case)
    losses, expected = (
        [one.loss for one in each.epochs] for each in (found, reference)
    )
    assert losses == pytest.approx(expected, rel=1e-6 if device == "cpu" else case.near)
    assert losses[2] < losses[1]
    ours, theirs = outputs(found, case), outputs(reference, case)
    apart = (ours - theirs).norm() / theirs.norm()
    assert apart < (1e-5 if device == "cpu" else OUTPUTS_NEAR)


def test_killed_trainings_go_on(device: str, tmp_path: Path) -> None:
    """The optimizer's and the average's state come back to the device."""
    case = CASES["mixed and averaged"]
    data, given = samples(case), {"seed": 0, "task": of_spec(case.spec, Path())}
    recipe = replace(case.recipe, checkpoint_minutes=0.0)

    class Stop(Exception):
        pass

    def stop(_: Any) -> None:
        raise Stop

    def run(**more: Any) -> Distilled:
        pair = network(case, 12, 0), network(case, 6, 1)
        return distill(
            *pair, train=data, validation=data, recipe=recipe, **given, **more
        )

    whole = run()
    count = iter(range(100))
    killing = Hooks(
        after_step=lambda module: stop(module) if next(count) == 7 else None
    )
    with pytest.raises(Stop):
        run(folder=tmp_path / "training", hooks=killing)
    again = run(folder=tmp_path / "training")
    torch.testing.assert_close(outputs(again, case), outputs(whole, case))
