"""Distillation of networks in memory, with the caller's losses and metric."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import edgekit as ek
from edgekit.errors import ModelError, TrainingError, UsageError
from edgekit.types import DistillRecipe, TaskSpec
from tests.shapes import Net, loader, trained

EXAMPLE = torch.zeros(1, 1, 8, 8)


@pytest.fixture(scope="module")
def teacher() -> ek.Network:
    return ek.load(trained(), example_input=EXAMPLE)


@pytest.fixture(scope="module")
def data() -> ek.Data:
    return ek.Data(train=loader(192, seed=1, shuffle=True), test=loader(90, seed=2))


@pytest.fixture
def student() -> ek.Network:
    torch.manual_seed(3)
    return ek.load(Net(), example_input=EXAMPLE)


def test_a_student_learns(
    teacher: ek.Network, student: ek.Network, data: ek.Data
) -> None:
    weights = student.module.state_dict()["stem.weight"].clone()
    how = DistillRecipe(
        optimizer="adamw", learning_rate=0.01, batch_size=32, augment="none", losses={}
    )
    recipe = ek.Recipe(distill=how)
    distilled = ek.distill(student, teacher=teacher, data=data, epochs=6, recipe=recipe)
    assert [epoch.number for epoch in distilled.history] == list(range(7))
    assert ek.evaluate(distilled, data).value > 0.9
    assert torch.equal(student.module.state_dict()["stem.weight"], weights)
    assert student.history == () and student.kept_epoch == 0
    assert distilled.copy().kept_epoch == distilled.kept_epoch > 0


def test_the_callers_functions_are_used(
    teacher: ek.Network, student: ek.Network, data: ek.Data
) -> None:
    seen = []

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        seen.append("loss")
        return nn.functional.cross_entropy(outputs, targets)

    def teacher_loss(outputs: Tensor, others: Tensor) -> Tensor:
        seen.append("teacher_loss")
        return (outputs - others).square().mean(1)

    def error(outputs: np.ndarray, targets: np.ndarray) -> float:
        seen.append("metric")
        return float((outputs.argmax(1) != targets).mean())

    distilled = ek.distill(
        student,
        teacher=[teacher, teacher],
        data=data,
        epochs=1,
        loss=loss,
        teacher_loss=teacher_loss,
        metric=error,
        higher_is_better=False,
    )
    assert set(seen) == {"loss", "teacher_loss", "metric"}
    assert len(distilled.history) == 2
    assert 0 <= distilled.history[-1].validation <= 1


def test_a_loss_that_is_none(
    teacher: ek.Network, student: ek.Network, data: ek.Data
) -> None:
    def wrong(outputs: Tensor, targets: Tensor) -> Tensor:
        return outputs

    with pytest.raises(TrainingError, match="wrong returned shape"):
        ek.distill(student, teacher=teacher, data=data, epochs=1, loss=wrong)


def test_networks_that_do_not_agree(teacher: ek.Network, data: ek.Data) -> None:
    other = ek.load(
        nn.Sequential(nn.Flatten(), nn.Linear(64, 5)), example_input=EXAMPLE
    )
    with pytest.raises(ModelError, match="3 outputs and the student 5"):
        ek.distill(other, teacher=teacher, data=data, epochs=1)


def test_a_metric_that_the_task_does_not_have(
    teacher: ek.Network, data: ek.Data
) -> None:
    with pytest.raises(UsageError, match="Did you mean 'accuracy'"):
        ek.evaluate(teacher, data, metric="acuracy")


def test_functions_that_a_task_names(
    teacher: ek.Network,
    student: ek.Network,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(
        "def constant(outputs, targets):\n    return 0.25\n"
        "def nothing(outputs, targets):\n    return outputs.sum() * 0\n"
    )
    task = TaskSpec(metric="own.py:constant", loss="own.py:nothing")
    data = ek.Data(train=loader(64, seed=1), test=loader(30, seed=2), task=task)
    assert ek.evaluate(teacher, data).value == 0.25
    assert ek.evaluate(teacher, data, metric="accuracy").value > 0.9
    how = DistillRecipe(epochs=1, soft_weight=0, losses={}, weight_decay=0)
    recipe = ek.Recipe(distill=how)
    distilled = ek.distill(student, teacher=teacher, data=data, recipe=recipe)
    assert [epoch.validation for epoch in distilled.history] == [0.25, 0.25]
    assert distilled.history[-1].loss == 0
