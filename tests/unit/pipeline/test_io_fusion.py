"""Steps that may be folded into files are settled before anything is trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.config import project
from edgekit.config.project import Project
from edgekit.errors import DataError, ProjectError
from edgekit.pipeline.io_fusion import artifact_inputs, left_over, notes, prepared
from edgekit.pipeline.samples import BuildData, read_samples
from edgekit.program.program import Program, trace
from edgekit.progress import Silent
from edgekit.report.note_words import sentence
from edgekit.types import InputSpec, IOFusion
from edgekit.types.export_notes import IOFused

PROJECT = """\
[model]
source = "student.pt2"
[data]
train = "data.npz"
test  = "data.npz"
[data.preprocess]
scale = 10
mean  = [0.5]
std   = [0.25]
[task]
kind = "{kind}"
[recipe.export]
{export}
"""


def opened(
    root: Path, export: str, kind: str, x: np.ndarray
) -> tuple[Project, Program]:
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(64, 3)
    program = trace(nn.Sequential(*layers), (InputSpec(shape=(1, 6, 6)),))
    program.save(root / "student.pt2")
    y = np.arange(len(x)) % 3
    if kind == "regression":
        y = np.zeros((len(x), 3), np.float32)
    np.savez(root / "data.npz", x=x, y=y)
    (root / "edgekit.toml").write_text(PROJECT.format(kind=kind, export=export))
    return project.load(root), program


def read(root: Path, export: str, kind: str, x: np.ndarray) -> BuildData:
    one, program = opened(root, export, kind, x)
    return prepared(one, program, read_samples(one, program, {}, Silent()))


BYTES = np.random.default_rng(0).integers(0, 256, (60, 1, 6, 6), np.uint8)


def test_files_are_given_raw_and_the_network_what_it_takes(tmp_path: Path) -> None:
    export = 'fold_preprocessing = "uint8"\nfold_postprocessing = "argmax"'
    samples = read(tmp_path, export, "classification", BYTES)
    assert samples.folding.classes == 3 and samples.folding.axis == 1
    raw = artifact_inputs(samples)
    np.testing.assert_array_equal(raw.test.arrays()[0], BYTES)
    expected = (raw.calibration[0] / 10 - 0.5) / 0.25
    np.testing.assert_allclose(expected, samples.calibration[0], rtol=1e-5)
    (left,) = left_over(samples)
    assert (left.scale, left.mean, left.std) == (1.0, (0.0,), (1.0,))
    [note] = notes(samples.folding)
    assert note == IOFused(fusion=samples.folding)
    assert sentence(note).startswith(
        "files take raw uint8 values and prepare them themselves and end in argmax; "
    )


def test_nothing_asked_changes_nothing(tmp_path: Path) -> None:
    samples = read(tmp_path, "", "classification", BYTES)
    assert samples.folding == IOFusion() and artifact_inputs(samples) is samples
    assert left_over(samples)[0].scale == 10 and notes(samples.folding) == ()


def test_values_that_are_no_bytes_are_refused(tmp_path: Path) -> None:
    values = BYTES.astype(np.float32) - 20
    with pytest.raises(DataError, match=r"values from -20 to 235\. Choose 'float32'"):
        read(tmp_path, 'fold_preprocessing = "uint8"', "classification", values)
    export = 'fold_preprocessing = "float32"'
    samples = read(tmp_path, export, "classification", values)
    np.testing.assert_array_equal(artifact_inputs(samples).test.arrays()[0], values)


def test_values_have_no_largest_class(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"regression has none\. Leave it out"):
        read(tmp_path, 'fold_postprocessing = "argmax"', "regression", BYTES)
