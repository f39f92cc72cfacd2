"""Keywords that are missed, and those that are found where there are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit.data.metrics import named
from edgekit.errors import DataError
from edgekit.types import Evaluation, TaskSpec

CHANCES = (0.9, 0.6, 0.3, 0.1)
"""Of the keyword in samples without one."""


def score(
    metric: str, outputs: np.ndarray, targets: np.ndarray, **spec: float
) -> Evaluation:
    task = TaskSpec(kind="keyword-spotting", metric=metric, **spec)  # type: ignore[arg-type]
    return named(task, Path())(outputs, targets)


def scored(keyword: list[float], other: list[float] | None = None) -> np.ndarray:
    """Logits of the background and of two keywords with these probabilities."""
    second = other or [0.001] * len(keyword)
    rows = [[1 - a - b, a, b] for a, b in zip(keyword, second, strict=True)]
    return np.log(np.array(rows)).astype(np.float32) + 3


def test_rejects_at_the_threshold_of_the_false_accepts_that_are_allowed() -> None:
    """Four samples of 900 s without a keyword are an hour."""
    outputs = scored([*CHANCES, 0.95, 0.7, 0.5, 0.2])
    targets = np.array([0] * 4 + [1] * 4)
    given = {"seconds": 900.0, "outputs": outputs, "targets": targets}
    found = {
        limit: score("false-rejects", false_accepts=limit, **given).value
        for limit in (0.5, 1.0, 2.0, 4.0)
    }
    assert found == {0.5: 0.75, 1.0: 0.5, 2.0: 0.25, 4.0: 0.0}
    one = score("false-rejects", **given)
    assert one.metric == "false rejects at 1 false accept an hour"
    assert not one.higher_is_better and one.is_fraction
    chances = np.exp(outputs - 3)
    assert score("false-rejects", **(given | {"outputs": chances})).value == 0.5


def test_a_mistaken_keyword_is_a_reject() -> None:
    outputs = scored([0.1, 0.8, 0.1], [0.1, 0.1, 0.8])
    targets = np.array([0, 1, 1])
    assert score("false-rejects", outputs, targets).value == 0.5
    turned = outputs[:, [1, 2, 0]]
    again = np.array([2, 0, 0])
    assert score("false-rejects", turned, again, background=2).value == 0.5


def test_false_accepts_of_the_likeliest_class() -> None:
    """Two of four samples of 450 s, which are half an hour."""
    outputs = scored([*CHANCES, 0.9])
    found = score("false-accepts", outputs, np.array([0, 0, 0, 0, 1]), seconds=450.0)
    assert (found.value, found.higher_is_better) == (4.0, False)
    unknown = score("false-accepts", outputs, np.array([0, 0, -1, 0, 1]), seconds=600.0)
    assert unknown.value == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("targets", "spec", "message"),
    [
        ([1, 2, 1], {}, "no samples without a keyword: class 0 is the one"),
        ([0, 0, -1], {}, "no samples with a keyword"),
        ([0, 1, 2], {"background": 3}, "the network has 3 outputs"),
    ],
)
def test_data_without_either(
    targets: list[int], spec: dict[str, float], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        score("false-rejects", scored([0.1, 0.2, 0.3]), np.array(targets), **spec)
