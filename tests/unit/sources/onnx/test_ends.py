"""Files whose outputs are squashed are compared before they are."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from edgekit.errors import ModelError
from edgekit.sources.onnx import registry
from edgekit.sources.onnx.loading import load
from tests.unit.sources.onnx.models import make, saved


def test_a_saturated_softmax_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its outputs are the same at one place, whatever comes before."""
    constants = {"w": 500 * np.eye(4, dtype=np.float32)}
    path = saved(
        tmp_path / "net.onnx",
        [make("MatMul", ["x", "w"], ["m"]), make("Tanh", ["m"], ["y"])],
        {"x": (1, 4)},
        {"y": (1, 4)},
        constants,
    )
    load(path)
    entry = registry.find("", "MatMul", 17)
    assert entry is not None
    wrong = dataclasses.replace(
        entry, compute=lambda call, x, w: entry.compute(call, x, w) * 1.2
    )
    monkeypatch.setitem(registry._TABLE, ("", "MatMul"), [wrong])
    with pytest.raises(ModelError, match="differs from ONNX Runtime"):
        load(path)
