"""Metrics of every kind of task against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.errors import DataError
from tests.unit.tasks.sets import measured


@pytest.mark.parametrize("kind", ["segmentation", "token-classification", "regression"])
def test_nothing_labeled_is_an_error(kind: str) -> None:
    unknown = np.full((2, 3), np.nan if kind == "regression" else -1)
    outputs = np.zeros((2, 3) if kind == "regression" else (2, 4, 3), np.float32)
    with pytest.raises(DataError, match=r"no (labels|values)"):
        measured(kind, outputs, unknown)
