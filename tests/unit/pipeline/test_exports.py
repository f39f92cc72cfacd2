"""Notes on a student's files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from edgekit.export.publish import complete_files
from edgekit.pipeline.exports import tail_notes
from edgekit.program.program import trace
from edgekit.types import Artifact, InputSpec
from edgekit.types.export_notes import TailLeftOut


def made(folder: Path, runtime: str, suffix: str, *, complete: bool) -> Artifact:
    files = (folder / f"{runtime}-fp32{suffix}",)
    for file in (*files, *(complete_files(files) if complete else ())):
        file.touch()
    return Artifact(
        name=f"{runtime}-fp32",
        runtime=runtime,
        precision="fp32",
        files=files,
        inputs=(),
        outputs=(),
    )


def test_runtimes_whose_files_lack_the_tail_are_noted(tmp_path: Path) -> None:
    torch.manual_seed(0)
    plain = trace(nn.Linear(3, 2), (InputSpec(shape=(3,), name="x"),))
    artifacts = [
        made(tmp_path, "onnxruntime", ".onnx", complete=True),
        made(tmp_path, "litert", ".tflite", complete=False),
        made(tmp_path, "openvino", ".xml", complete=False),
    ]
    student = replace(plain, outputs=("rows",), tail=b"anything")
    [note] = tail_notes(student, artifacts)
    assert note == TailLeftOut(runtimes=("litert", "openvino"), outputs=("rows",))
    assert tail_notes(student, artifacts[:1]) == ()
    assert tail_notes(plain, artifacts) == ()
