"""The two sides of a comparison."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.devices.local import LocalDevice
from edgekit.diff.diff import diff
from edgekit.diff.inputs import Question
from edgekit.errors import UsageError
from edgekit.progress import Silent


def test_what_is_not_a_source_is_refused_with_the_forms(exported_project: Path) -> None:
    artifact = exported_project / "files/onnxruntime-fp32.onnx"
    question = Question(
        artifact=artifact,
        folder=exported_project,
        against=exported_project / "data.npz",
    )
    with pytest.raises(UsageError, match=r"--against .*data.npz .*file.py:function"):
        diff(question, LocalDevice(), Silent())
