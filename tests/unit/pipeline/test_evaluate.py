"""A file that quantization broke loses; a float file that differs ends the build."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgekit.errors import ArtifactError, ParityError
from edgekit.pipeline.evaluate import (
    BrokenArtifact,
    Evaluated,
    EvaluatedArtifact,
    _sound,
    check_parity,
)
from edgekit.report import document
from edgekit.report.note_words import sentence
from edgekit.types import Artifact, Evaluation, Precision
from edgekit.types.export_notes import ParityFault
from tests.reports import report

GOOD = np.eye(8, dtype=np.float32)
BROKEN = -GOOD


def artifact(folder: Path, precision: Precision) -> Artifact:
    file = folder / f"{precision}.tflite"
    file.write_bytes(b"")
    return Artifact(
        name=f"litert-{precision}",
        runtime="litert",
        precision=precision,
        files=(file,),
        inputs=(),
        outputs=(),
    )


def evaluated(one: Artifact, outputs: np.ndarray) -> Evaluated:
    try:
        parity = check_parity(one, outputs, GOOD)
    except ParityError as error:
        return BrokenArtifact(artifact=one, failure=error)
    right = Evaluation(metric="accuracy", value=1.0, samples=len(GOOD))
    return EvaluatedArtifact(
        artifact=one, parity=parity, evaluation=right, accuracy_drop=0.0
    )


def test_a_broken_int8_file_is_removed_and_said(tmp_path: Path) -> None:
    fp32, int8 = artifact(tmp_path, "fp32"), artifact(tmp_path, "int8")
    found, notes = _sound([evaluated(fp32, GOOD), evaluated(int8, BROKEN)])
    assert [one.artifact.name for one in found] == [fp32.name]
    assert fp32.files[0].exists() and not int8.files[0].exists()
    [note] = notes
    assert note.artifacts == ("litert-int8",)
    assert note.fault == ParityFault(
        measure="agreement", value=0.0, limit=0.75, samples=8, task="classification"
    )
    assert sentence(note).startswith(
        "does not compete: litert-int8 decides as the network does on 0.0%"
    )


def test_a_file_that_its_runtime_refuses_keeps_what_the_runtime_printed(
    tmp_path: Path,
) -> None:
    fp32, int8 = artifact(tmp_path, "fp32"), artifact(tmp_path, "int8")
    failure = ArtifactError("litert cannot load int8.tflite.")
    refused = BrokenArtifact(artifact=int8, failure=failure)
    _, notes = _sound([evaluated(fp32, GOOD), refused])
    assert [note.fault for note in notes] == [
        ParityFault(measure="runtime", detail="litert cannot load int8.tflite.")
    ]
    assert [*map(sentence, notes)] == [
        "does not compete: litert cannot load int8.tflite"
    ]


def test_outputs_that_are_not_finite_are_a_fact_that_a_report_can_hold(
    tmp_path: Path,
) -> None:
    fp32, int8 = artifact(tmp_path, "fp32"), artifact(tmp_path, "int8")
    infinite = np.where(GOOD > 0, np.inf, GOOD).astype(np.float32)
    _, notes = _sound([evaluated(fp32, GOOD), evaluated(int8, infinite)])
    [note] = notes
    assert note.fault == ParityFault(measure="relative_error", samples=8)
    assert document.to_json(replace(report(), notes=notes))["notes"]


def test_where_all_are_broken_the_build_ends(tmp_path: Path) -> None:
    int8 = artifact(tmp_path, "int8")
    with pytest.raises(ParityError, match="litert-int8 decides"):
        _sound([evaluated(int8, BROKEN)])


def test_a_float_file_has_to_be_exact(tmp_path: Path) -> None:
    for precision, error in (("fp32", 0.01), ("fp16", 0.5)):
        with pytest.raises(ParityError, match=f"litert-{precision} differs"):
            check_parity(artifact(tmp_path, precision), GOOD + error, GOOD)
