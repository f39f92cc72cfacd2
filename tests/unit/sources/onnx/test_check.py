"""A program that computes something else than its file is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from edgekit.errors import ModelError
from edgekit.sources.onnx import registry
from edgekit.sources.onnx.loading import load
from tests.unit.sources.onnx.models import classifier


def test_what_computes_something_else_is_refused_by_tensor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = classifier(tmp_path / "net.onnx")
    (entry,) = registry._TABLE["", "Relu"]
    wrong = dataclasses.replace(entry, compute=lambda call, x: torch.relu(x) * 1.01)
    monkeypatch.setitem(registry._TABLE, ("", "Relu"), [wrong])
    with pytest.raises(ModelError, match="first tensor that differs is 'r' of Relu"):
        load(path)
