from __future__ import annotations

import numpy as np
import pytest

from edgekit.data import metrics
from edgekit.errors import DataError


def test_token_accuracy_leaves_unknown_tokens_out() -> None:
    outputs = np.eye(3, dtype=np.float32)[[[0, 1, 2], [2, 2, 2]]]
    found = metrics.measure(
        "token-classification", outputs, np.array([[0, 2, -1], [2, -1, -1]])
    )
    assert found.value == pytest.approx(2 / 3)
    assert found.higher_is_better


def test_mean_intersection_over_union() -> None:
    targets = np.array([[[0, 0], [1, -1]]])
    outputs = np.zeros((1, 2, 2, 2), np.float32)
    outputs[0, 1, :, 0] = 1  # the left column is taken for class 1
    found = metrics.measure("segmentation", outputs, targets)
    assert found.value == pytest.approx((1 / 2 + 1 / 2) / 2)


def test_lower_is_better() -> None:
    values = metrics.measure(
        "regression", np.array([[1.0], [2.0]], np.float32), np.array([3.0, np.nan])
    )
    assert (values.value, values.higher_is_better) == (2.0, False)
    even = metrics.measure(
        "language-modelling",
        np.zeros((2, 3, 5), np.float32),
        np.array([[0, 1, -1]] * 2),
    )
    assert even.value == pytest.approx(5)
    assert not even.higher_is_better


def test_agreement_without_labels() -> None:
    logits = np.array([[1, 0], [0, 1]], np.float32)
    assert metrics.agreement("classification", logits, logits[[0, 0]]).value == 0.5
    apart = metrics.agreement("embedding", logits, logits + 2)
    assert (apart.value, apart.higher_is_better) == (2.0, False)


@pytest.mark.parametrize("kind", ["segmentation", "token-classification", "regression"])
def test_nothing_labelled_is_an_error(kind: str) -> None:
    unknown = np.full((2, 3), np.nan if kind == "regression" else -1)
    outputs = np.zeros((2, 3) if kind == "regression" else (2, 4, 3), np.float32)
    with pytest.raises(DataError, match=r"no (labels|values)"):
        metrics.measure(kind, outputs, unknown)  # type: ignore[arg-type]
