"""A student's files: notes on them, and copies of those that were judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from edgekit.export.publish import complete_files
from edgekit.pipeline.exports import StudentExports, tail_notes
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


def test_a_judged_file_is_copied_into_the_bundle(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, other = (trace(nn.Linear(3, 2), (InputSpec(shape=(3,)),)) for _ in "ab")
    (tmp_path / "judged").mkdir()
    files = tuple(
        tmp_path / "judged" / f"openvino-fp32.{end}" for end in ("xml", "bin")
    )
    for file in files:
        file.write_text(file.suffix)
    for file in complete_files(files):
        file.write_text("with its tail")
    made = Artifact(
        name="openvino-fp32", runtime="openvino", precision="fp32", files=files,
        inputs=(), outputs=(),
    )  # fmt: skip
    nothing = None  # an exporter would fail here
    exports = StudentExports(
        exporter=nothing,  # type: ignore[arg-type]
        allowed=nothing,  # type: ignore[arg-type]
        target=nothing,  # type: ignore[arg-type]
        precisions=None,
        samples=nothing,  # type: ignore[arg-type]
        validation=nothing,  # type: ignore[arg-type]
        facts={},
        folder=tmp_path / "bundle",
        made={(network.fingerprint(), ("openvino", "fp32")): made},
    )
    form = [("openvino", "fp32")]
    found = exports.export(network, form, tmp_path / "bundle", title="Export")
    [artifact] = found.artifacts
    assert artifact.name == made.name
    assert [file.read_text() for file in artifact.files] == [".xml", ".bin"]
    assert {file.parent for file in artifact.files} == {tmp_path / "bundle"}
    assert all(file.is_file() for file in files)
    assert all(file.is_file() for file in complete_files(artifact.files))
    # Another network's files, and files that are gone, are for the exporter.
    files[1].unlink()
    (tmp_path / "bundle/openvino-fp32.bin").unlink()
    for again in (other, network):
        try:
            exports.export(again, form, tmp_path / "bundle", title="Export")
        except AttributeError:
            continue
        raise AssertionError("nothing was exported")
