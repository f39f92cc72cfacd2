"""Stages depend on the code of the user's functions, wherever a task names one."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.pipeline import stage_inputs
from edgekit.store import key
from edgekit.types import TaskSpec
from edgekit.types.project import BoxDecoder

PLACE = "mine.py:function"


@pytest.mark.parametrize(
    "spec",
    [
        TaskSpec(metric=PLACE),
        TaskSpec(loss=PLACE),
        TaskSpec(teacher_loss=PLACE),
        TaskSpec(kind="detection", decoder=PLACE),
        TaskSpec(kind="detection", decoder=BoxDecoder(head=PLACE)),
    ],
    ids=["metric", "loss", "teacher_loss", "decoder", "decoder in a table"],
)
def test_a_changed_function_is_another_task(tmp_path: Path, spec: TaskSpec) -> None:
    def found(text: str) -> str:
        (tmp_path / "mine.py").write_text(text)
        return key(stage_inputs.of_task(spec, tmp_path))

    first = found("def function(*given):\n    return 1\n")
    assert found("def function(*given):\n    return 2\n") != first
    assert found("def function(*given):\n    return 1\n") == first


def test_names_of_edgekits_own_have_no_code(tmp_path: Path) -> None:
    spec = TaskSpec(kind="detection", decoder="yolov8", metric="map")
    assert stage_inputs.of_task(spec, tmp_path)["code"] == {}
