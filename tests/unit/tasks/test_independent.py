"""Decisions each for itself: labels, losses and metrics, against arithmetic on paper."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from edgekit import tasks
from edgekit.errors import DataError
from edgekit.tasks import independent


def read(values: np.ndarray) -> np.ndarray:
    found, _ = independent.read(values, origin="set.npz", labels=None, names=None)
    return found


def test_what_is_unknown_is_minus_one() -> None:
    given = np.array([[0, 1, math.nan], [True, False, -1]])
    assert read(given).tolist() == [[0, 1, -1], [1, 0, -1]]
    for odd in (np.array([[0, 2]]), np.array([[0.5]]), np.array([["cat"]])):
        with pytest.raises(DataError, match=r"set\.npz has .*0 or 1 for each"):
            read(odd)


def test_losses_are_binary_cross_entropies() -> None:
    logits = torch.tensor([[0.0, math.log(3)], [math.log(3), 5.0]])
    answers = torch.tensor([[1, 0], [1, -1]])
    hard = independent.LOSSES.hard(logits, answers)
    expected = [(math.log(2) + math.log(4)) / 2, math.log(4 / 3)]
    assert hard.tolist() == pytest.approx(expected)
    assert independent.LOSSES.known(torch.tensor([[-1, -1], [0, -1]])).tolist() == [
        False,
        True,
    ]
    # At the teacher's own logits the loss is the entropy of its answers.
    teacher = torch.tensor([[math.log(3)]])
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert float(independent.LOSSES.soft(teacher, teacher, 1.0)) == pytest.approx(
        entropy
    )


def test_logits_and_probabilities_decide_alike() -> None:
    logits = np.array([[-2.0, 0.3, 4.0]], np.float32)
    probabilities = 1 / (1 + np.exp(-logits))
    assert independent.decided(logits).tolist() == [[False, True, True]]
    assert independent.decided(probabilities).tolist() == [[False, True, True]]
    same = independent.agreement(logits, np.array([[-1.0, -1.0, 9.0]], np.float32))
    assert (same.correct, same.counted) == (2, 3)


def test_unknown_decisions_do_not_count() -> None:
    score = tasks.of("multi-label").metrics["label-accuracy"]
    outputs = np.array([[-2.0, 3.0], [1.5, -1.0]], np.float32)
    found = score(outputs, np.array([[0, 0], [-1, 0]]))
    assert (found.correct, found.counted, found.samples) == (2, 3, 2)
    with pytest.raises(DataError, match="no labels"):
        score(outputs, np.full((2, 2), -1))
    with pytest.raises(DataError, match=r"shape \[2, 3\].*\[2, 2\]"):
        score(outputs, np.zeros((2, 3), int))
