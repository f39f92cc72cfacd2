"""Tasks as students learn them: labels that lie in places, losses of the user's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.data import Dataset
from edgekit.data.samples import InMemory
from edgekit.distill import distill, tasks
from edgekit.distill.augment import along, augment, draw
from edgekit.distill.objective import resolved
from edgekit.errors import TrainingError, UsageError
from edgekit.program.program import Program, trace
from edgekit.types import DistillRecipe, Evaluation, InputSpec, Preprocess, TaskSpec

RECIPE = DistillRecipe(epochs=6, batch_size=16, learning_rate=0.1, losses={})
RAW = Preprocess(scale=1)


def dense(seed: int, classes: int = 2) -> Program:
    torch.manual_seed(seed)
    return trace(nn.Conv2d(1, classes, 3, padding=1), (InputSpec(shape=(1, 8, 8)),))


def bright(count: int = 96, *, labeled: bool = True) -> Dataset:
    """Pictures, and which of their pixels are bright."""
    x = np.random.default_rng(0).normal(size=(count, 1, 8, 8)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int16) if labeled else np.full(count, -1)
    return Dataset(InMemory(values=x), y, labels=(), preprocess=RAW)


@pytest.mark.parametrize("kind", ["regression", "multi-label", "sequence-recognition"])
def test_labels_that_are_no_classes_are_not_smoothed(kind: str) -> None:
    task = tasks.of_kind(kind)
    assert task.smoothed(0.0) is task
    with pytest.raises(UsageError, match=f"label_smoothing .*kind {kind}"):
        task.smoothed(0.1)


def test_a_loss_of_the_users_is_not_smoothed() -> None:
    spec = TaskSpec(kind="classification")
    task = tasks.of_functions(spec, None, loss=lambda ours, y: ours[:, 0])
    with pytest.raises(UsageError, match="a loss of your own does not take"):
        task.smoothed(0.1)


def test_masks_move_with_their_images() -> None:
    x = torch.arange(1.0, 129.0).reshape(2, 1, 8, 8)
    augmentation = draw(2, (1, 8, 8), "shift-flip", torch.Generator().manual_seed(3))
    assert augmentation is not None
    assert augmentation.mirror is not None and augmentation.mirror.any()
    moved, masks = augment(x, augmentation, RAW), along(x[:, 0].long(), augmentation)
    uncovered = moved[:, 0] == 0
    assert 0 < uncovered.sum() < 64
    assert (masks[uncovered] == -1).all()
    assert torch.equal(masks[~uncovered].float(), moved[:, 0][~uncovered])


def test_labels_are_learned_while_images_move() -> None:
    """With masks that stayed behind, a border of other pixels would be learned too."""
    data = bright()
    recipe = replace(RECIPE, soft_weight=0.0, augment="shift")
    start = dense(1)
    found = distill(
        start,
        start,
        train=data,
        validation=data,
        recipe=recipe,
        seed=0,
        kind="segmentation",
    )
    assert found.metric == "mean IoU"
    assert found.epochs[0].validation < 0.7
    assert found.epochs[-1].validation > 0.93


def test_dense_outputs_are_trained_without_any_label() -> None:
    data = bright(labeled=False)
    found = distill(
        dense(0), dense(1), train=data, validation=data, recipe=RECIPE, seed=0,
        kind="segmentation",
    )  # fmt: skip
    assert found.metric == "agreement"
    assert found.epochs[-1].validation > max(0.9, found.epochs[0].validation)


def test_only_images_whose_labels_can_follow_are_moved() -> None:
    program = dense(0)
    assert resolved(RECIPE, program, program).augment == "shift"
    assert resolved(RECIPE, program, program, "segmentation").augment == "shift"
    assert resolved(RECIPE, program, program, "regression").augment == "none"
    requested = replace(RECIPE, augment="shift")
    assert resolved(requested, program, program, "regression").augment == "shift"


LOSSES = """\
import torch

def toward_three(outputs, targets):
    assert outputs.shape[1:] == (2, 8, 8) and targets.shape[1:] == (8, 8)
    return (outputs - 3).square().mean((1, 2, 3))

def whole(outputs, teacher):
    return (outputs - teacher).abs().mean()

def wrong(outputs, targets):
    return outputs
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "loss.py").write_text(LOSSES)
    (tmp_path / "metric.py").write_text(
        "def distance(outputs, targets):\n    return abs(outputs - 3).mean()\n"
    )
    return tmp_path


def test_the_users_losses_and_metric_are_what_is_learned(root: Path) -> None:
    spec = TaskSpec(
        kind="detection",
        loss="loss.py:toward_three",
        teacher_loss="loss.py:whole",
        metric="metric.py:distance",
        better="lower",
    )
    task, data = tasks.of_spec(spec, root), bright()
    labels = replace(RECIPE, soft_weight=0.0, augment="none")
    own = distill(
        dense(0),
        dense(1),
        train=data,
        validation=data,
        recipe=labels,
        seed=0,
        task=task,
    )
    assert own.metric == "distance" and not own.higher_is_better
    assert own.epochs[own.kept_epoch].validation < 0.2 < own.epochs[0].validation
    soft = replace(RECIPE, soft_weight=1.0, augment="none")
    data = bright(labeled=False)
    distilled = distill(
        dense(0), dense(1), train=data, validation=data, recipe=soft, seed=0, task=task
    )
    x = torch.from_numpy(data.arrays()[0])
    apart = (distilled.program.module(x) - dense(0).module(x)).abs().mean()
    assert apart < 0.1 < (dense(1).module(x) - dense(0).module(x)).abs().mean()


def test_a_loss_of_another_shape_is_refused(root: Path) -> None:
    spec = TaskSpec(kind="detection", loss="loss.py:wrong", metric="metric.py:distance")
    data = bright()
    with pytest.raises(TrainingError, match=r"wrong returned shape \[.*, 2, 8, 8\]"):
        distill(
            dense(0), dense(1), train=data, validation=data, recipe=RECIPE, seed=0,
            task=tasks.of_spec(spec, root),
        )  # fmt: skip


def test_values_that_are_not_known_teach_nothing() -> None:
    task_losses = tasks.of_kind("regression").task_losses
    targets = torch.tensor([[1.0, torch.nan], [torch.nan, torch.nan]])
    assert task_losses.known(targets).tolist() == [True, False]
    student = torch.tensor([[3.0, 9.0], [5.0, 5.0]])
    assert task_losses.hard(student, targets).tolist() == [4.0, 0.0]


def _classifier(seed: int, *, softmax: bool = False, sigmoid: bool = False) -> Program:
    torch.manual_seed(seed)
    layers = [nn.Flatten(), nn.Linear(64, 6), nn.ReLU(), nn.Linear(6, 3)]
    end = [nn.Softmax(1)] * softmax + [nn.Sigmoid()] * sigmoid
    return trace(nn.Sequential(*layers, *end), (InputSpec(shape=(1, 8, 8)),))


def _thirds() -> Dataset:
    """Noise, and which of its thirds is brightest."""
    x = np.random.default_rng(0).normal(size=(96, 1, 8, 8)).astype(np.float32)
    parts = np.array_split(x.reshape(96, 64), 3, axis=1)
    y = np.stack([part.mean(1) for part in parts]).argmax(0)
    return Dataset(InMemory(values=x), y, labels=(), preprocess=RAW)


@pytest.mark.parametrize("teacher_ends", [True, False])
def test_a_network_that_ends_in_a_softmax_learns_as_without_it(
    teacher_ends: bool,
) -> None:
    data, found = _thirds(), []
    for softmax, teacher_softmax in ((False, False), (True, teacher_ends)):
        student = _classifier(1, softmax=softmax)
        teacher = _classifier(0, softmax=teacher_softmax)
        trained = distill(
            teacher, student, train=data, validation=data, recipe=RECIPE, seed=0
        )
        found.append(trained)
        given = trained.program.module(torch.zeros(2, 1, 8, 8))
        assert torch.allclose(given.sum(1), torch.ones(2)) == softmax
    plain, squashed = (dict(t.program.module.named_parameters()) for t in found)
    start = dict(_classifier(1).module.named_parameters())
    for name, weights in plain.items():
        torch.testing.assert_close(squashed[name], weights, rtol=1e-3, atol=1e-4)
        assert not torch.allclose(weights, start[name], atol=1e-2)


def test_a_network_that_ends_in_a_sigmoid_learns_as_without_it() -> None:
    data, found = _thirds(), []
    answers = np.eye(3, dtype=np.int16)[data.targets]
    labeled = Dataset(
        InMemory(values=data.feeds(np.arange(96))[0][0]),
        *(answers,),
        labels=(),
        preprocess=RAW,
    )
    for sigmoid in (False, True):
        student, teacher = (_classifier(n, sigmoid=sigmoid) for n in (1, 0))
        trained = distill(
            *(teacher, student),
            train=labeled,
            validation=labeled,
            recipe=replace(RECIPE, augment="none"),
            seed=0,
            task=tasks.of_kind("multi-label"),
        )
        given = trained.program.module(torch.zeros(2, 1, 8, 8))
        assert bool(((given > 0) & (given < 1)).all()) == sigmoid
        found.append(dict(trained.program.module.named_parameters()))
    plain, squashed = found
    start = dict(_classifier(1).module.named_parameters())
    for name, weights in plain.items():
        torch.testing.assert_close(squashed[name], weights, rtol=1e-3, atol=1e-4)
        assert not torch.allclose(weights, start[name], atol=1e-2)


def test_functions_of_the_users_take_the_probabilities_that_the_network_gives() -> None:
    data, taken = _thirds(), []

    def squares(outputs: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        taken.append(outputs.detach())
        others = others if others.is_floating_point() else nn.functional.one_hot(others)
        return (outputs - others).square().sum(1)

    def brightness(outputs: np.ndarray, targets: np.ndarray) -> Evaluation:
        taken.append(torch.from_numpy(outputs))
        return Evaluation(metric="x", value=float(outputs.max()), samples=len(targets))

    task = tasks.of_functions(
        TaskSpec(kind="classification"), brightness, loss=squares, teacher_loss=squares
    )
    student, teacher = (_classifier(n, softmax=True) for n in (1, 0))
    distill(
        *(teacher, student),
        train=data,
        validation=data,
        recipe=replace(RECIPE, epochs=1),
        seed=0,
        task=task,
    )
    assert len(taken) > 10
    for each in taken:
        torch.testing.assert_close(each.sum(1), torch.ones(len(each)))
