"""`edgekit diff` on real exports: agreement, planted layers, planted preprocessing."""

from __future__ import annotations

from pathlib import Path

from edgekit.devices.local import LocalDevice
from edgekit.diff.diff import diff
from edgekit.diff.inputs import Question
from edgekit.progress import Silent


def test_the_network_may_be_any_source(exported_project: Path, tmp_path: Path) -> None:
    artifact = exported_project / "files/onnxruntime-fp32.onnx"
    copied = tmp_path / "student.network"
    copied.write_bytes((exported_project / "student.pt2").read_bytes())
    found = diff(
        Question(artifact=artifact, folder=exported_project, against=copied),
        LocalDevice(),
        Silent(),
    )
    assert found.agrees
