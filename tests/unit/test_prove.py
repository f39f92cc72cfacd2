"""A file that quantisation broke loses; a float file that differs ends the build."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit.errors import ParityError
from edgekit.prove import _parities
from edgekit.types import Artifact, Precision, Quantised, Scheme

GOOD = np.eye(8, dtype=np.float32)
BROKEN = -GOOD


def artifact(folder: Path, precision: Precision, quantised: bool) -> Artifact:
    file = folder / f"{precision}.tflite"
    file.write_bytes(b"")
    how = Quantised(
        scheme=Scheme(),
        lost=None,
        allowed=None,
        metric=None,
        samples=0,
        trials=(),
        why="",
    )
    return Artifact(
        name=f"litert-{precision}",
        runtime="litert",
        precision=precision,
        files=(file,),
        inputs=(),
        outputs=(),
        quantised=how if quantised else None,
    )


def test_a_broken_int8_file_is_removed_and_said(tmp_path: Path) -> None:
    fp32 = artifact(tmp_path, "fp32", False)
    int8 = artifact(tmp_path, "int8", True)
    outputs = {fp32.name: GOOD, int8.name: BROKEN}
    found, notes = _parities([fp32, int8], outputs, GOOD, "classification")
    assert list(found) == [fp32.name]
    assert fp32.files[0].exists() and not int8.files[0].exists()
    [note] = notes
    assert note.startswith(
        "does not compete: litert-int8 decides as the network does on 0.0%"
    )


def test_where_all_are_broken_the_build_ends(tmp_path: Path) -> None:
    int8 = artifact(tmp_path, "int8", True)
    with pytest.raises(ParityError, match="litert-int8 decides"):
        _parities([int8], {int8.name: BROKEN}, GOOD, "classification")


def test_a_float_file_that_differs_ends_the_build(tmp_path: Path) -> None:
    fp32 = artifact(tmp_path, "fp32", False)
    fp16 = artifact(tmp_path, "fp16", False)
    outputs = {fp32.name: GOOD, fp16.name: GOOD + 0.5}
    with pytest.raises(ParityError, match="litert-fp16 differs"):
        _parities([fp32, fp16], outputs, GOOD, "classification")
