"""Symbols from frames: the best path, its errors, and the loss against every path summed."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from edgekit import tasks
from edgekit.data.metrics import named
from edgekit.errors import DataError, UsageError
from edgekit.tasks.sequence_recognition import decode
from edgekit.types import TaskSpec

TASK = tasks.of("sequence-recognition")


def outputs(*paths: list[int], classes: int = 4) -> np.ndarray:
    return 9 * np.eye(classes, dtype=np.float32)[np.array(paths)]


def test_repetitions_are_merged_and_blanks_left_out() -> None:
    assert decode(outputs([1, 1, 0, 1, 2, 2], [0, 0, 3, 3, 3, 0])) == [(1, 1, 2), (3,)]


def test_errors_are_counted_over_symbols() -> None:
    found = outputs([1, 2, 0, 2, 0, 0], [3, 3, 0, 0, 1, 1])
    targets = np.array([[1, 2, 2], [3, -1, -1]])
    rate = TASK.metrics["symbol-error-rate"](found, targets)
    assert rate.value == pytest.approx(1 / 4) and not rate.higher_is_better
    right = TASK.metrics["sequence-accuracy"](found, targets)
    assert (right.correct, right.counted) == (1, 2)
    with pytest.raises(DataError, match="no labels"):
        TASK.metrics["symbol-error-rate"](found, np.full((2, 3), -1))


def test_errors_are_counted_over_words_between_spaces() -> None:
    """ "ab a" for "ab b", and a word too many: two errors over three words."""
    names = ("blank", "|", "a", "b")
    spec = TaskSpec(
        kind="sequence-recognition", classes=names, metric="word-error-rate"
    )
    found = outputs([2, 3, 1, 2, 0, 0], [3, 0, 1, 3, 0, 0])
    targets = np.array([[2, 3, 1, 3], [3, -1, -1, -1]])
    rate = named(spec, Path())(found, targets)
    assert rate.value == pytest.approx(2 / 3) and not rate.higher_is_better
    assert rate.metric == "word error rate"
    with pytest.raises(UsageError, match="word-error-rate"):
        named(replace(spec, classes=("blank", "x", "a", "b")), Path())


def test_symbols_of_any_number_stay_different() -> None:
    wide = np.zeros((1, 2, 60_000), np.float32)
    wide[0, 0, 0xD800] = wide[0, 1, 0xDFFF] = 9
    score = TASK.metrics["symbol-error-rate"]
    assert score(wide, np.array([[0xD800, 0xDFFF]])).value == 0
    assert score(wide, np.array([[0xD800, 0xE000]])).value == pytest.approx(0.5)


def test_the_loss_sums_over_every_path() -> None:
    logits = torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(0))
    chances = logits.softmax(1)[0].T.tolist()  # frames, classes
    total = sum(
        math.prod(chances[frame][symbol] for frame, symbol in enumerate(path))
        for path in itertools.product(range(3), repeat=4)
        if decode(outputs(list(path), classes=3)) == [(1, 2)]
    )
    loss = TASK.losses.hard(logits, torch.tensor([[1, 2, -1]]))
    assert float(loss) == pytest.approx(-math.log(total) / 2, rel=1e-5)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (np.array([1, 2]), r"shape \[2\].*in a row"),
        (np.array([[1, 4]]), "the symbol 4.*1 to 3"),
        (np.array([[0, 2]]), "the symbol 0.*the blank"),
        (np.array([[1, 2, 1, 2, 1, 2, 1]]), "7 symbols.*6 frames"),
    ],
)
def test_targets_that_do_not_fit_are_refused(targets: np.ndarray, message: str) -> None:
    fault = TASK.fits((1, 6, 4), targets)
    assert fault is not None and re.search(message, fault)
    assert TASK.fits((1, 6, 4), np.array([[1, 3, -1]])) is None
