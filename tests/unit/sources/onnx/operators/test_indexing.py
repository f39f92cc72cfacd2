"""Operators that pick, place and order elements; those that no network takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit.errors import ModelError
from edgekit.sources.onnx.loading import load
from tests.unit.sources.onnx.agreement import Older, agree_old
from tests.unit.sources.onnx.models import make, saved, weights


@pytest.mark.parametrize(
    ("kind", "inputs", "said"),
    [
        ("NonZero", 1, "depends on values"),
        ("RoiAlign", 3, "a row for each region, not for each sample"),
        ("MaxRoiPool", 2, "a row for each region, not for each sample"),
        ("RandomNormalLike", 1, "draws random numbers"),
        ("TfIdfVectorizer", 1, "counts words"),
        ("StringNormalizer", 1, "takes text"),
    ],
)
def test_refused_operators_say_what_is_true_of_them(
    tmp_path: Path, kind: str, inputs: int, said: str
) -> None:
    more = {"a": (1, 4), "b": (1,)}
    names = ["x", *list(more)[: inputs - 1]]
    path = saved(
        tmp_path / "net.onnx",
        [make("Relu", ["given"], ["x"]), make(kind, names, ["y"])],
        {"given": (1, 3, 8, 8)},
        {"y": None},
        weights(**more),
    )
    with pytest.raises(ModelError, match=f'{kind}.*{said}.*outputs = \\["x"') as error:
        load(path)
    assert "\n" not in str(error.value)


_OLD: tuple[Older, ...] = (
    ("Slice", 9, {"starts": [0, 1], "ends": [9, -1], "axes": [2, 3]}, {}),
    ("Pad", 10, {"pads": [0, 0, 1, 2, 0, 0, 0, 1], "mode": "reflect"}, {}),
    ("TopK", 11, {"axis": 3, "largest": 0}, {"k": np.array([2], np.int64)}),
)  # fmt: skip


@pytest.mark.parametrize("case", _OLD, ids=lambda case: f"{case[0]}-{case[1]}")
def test_operators_of_older_sets(tmp_path: Path, case: Older) -> None:
    agree_old(tmp_path / "m.onnx", case)
