"""Metrics and losses as the caller has them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edgekit.api.metrics import metric_of, task_of
from edgekit.errors import DataError, TrainingError, UsageError
from edgekit.types import TaskSpec

CLASSES = TaskSpec()
OUTPUTS = np.eye(3, dtype=np.float32)
TARGETS = np.array([0, 1, 1])


def test_a_function_a_name_and_nothing() -> None:
    def half(outputs: np.ndarray, targets: np.ndarray) -> float:
        return len(targets) / 6

    found = metric_of(half, CLASSES, higher_is_better=False)(OUTPUTS, TARGETS)
    assert (found.metric, found.value) == ("half", 0.5)
    assert not found.higher_is_better
    assert metric_of(None, CLASSES)(OUTPUTS, TARGETS).exact * 3 == 2
    assert metric_of("f1", CLASSES)(OUTPUTS, TARGETS).metric == "F1"


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [("many", UsageError, "no number"), (float("nan"), DataError, "returned nan")],
)
def test_a_function_without_a_number(
    value: object, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        metric_of(lambda outputs, targets: value, CLASSES)(OUTPUTS, TARGETS)


def test_a_loss_gives_one_number_a_sample() -> None:
    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return outputs.sum()

    task = task_of(CLASSES, metric=None, loss=loss, teacher_loss=None)
    x, y = torch.from_numpy(OUTPUTS), torch.from_numpy(TARGETS)
    assert task.task_losses.hard(x, y).tolist() == [3, 3, 3]
    wrong = task_of(CLASSES, metric=None, loss=lambda x, y: 1, teacher_loss=None)
    with pytest.raises(TrainingError, match="returned int"):
        wrong.task_losses.hard(x, y)
