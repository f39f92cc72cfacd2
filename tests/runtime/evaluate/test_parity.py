"""`build` and `diff` judge the same file alike, on its runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.devices.local import LocalDevice
from edgekit.diff.diff import diff
from edgekit.diff.inputs import Question
from edgekit.errors import ParityError
from edgekit.evaluate.parity import relative_error, rms_error
from edgekit.evaluate.run import infer
from edgekit.export.workers import export_all
from edgekit.pipeline.evaluate import check_parity
from edgekit.program.program import Program, trace
from edgekit.progress import Silent
from edgekit.report.diff_words import summary
from edgekit.types import Artifact, InputSpec, Precision, RuntimeName
from edgekit.types.diff import Diff
from tests.runtime.export.apart import runs

SAMPLES = np.random.default_rng(0).standard_normal((32, 64)).astype(np.float32)
SAMPLES -= SAMPLES.mean(1, keepdims=True)
VARIANTS: tuple[tuple[RuntimeName, Precision], ...] = (
    ("litert", "fp16"),
    ("litert", "int8-dynamic"),
    ("openvino", "int8-weights"),
)


def canceling(shift: float = 0.0) -> Program:
    """Weights near 1.5 on inputs that sum to 0: rounding to fp16 is large beside the outputs."""
    torch.manual_seed(0)
    layer = nn.Linear(64, 256, bias=False)
    network = nn.Sequential(layer, nn.Linear(256, 8))
    with torch.no_grad():
        layer.weight.copy_(1.5 + 0.02 * torch.randn(256, 64))
        network[1].bias += shift
    return trace(network, (InputSpec(shape=(64,)),))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Artifact]:
    folder = tmp_path_factory.mktemp("files")
    np.save(folder / "samples.npy", SAMPLES)
    variants = [each for each in VARIANTS if runs(*each)]
    return export_all(canceling(), variants, calibration=SAMPLES, folder=folder)


def test_a_file_that_build_accepts_is_the_network_for_diff(
    made: Sequence[Artifact], tmp_path: Path
) -> None:
    for artifact in made:
        precision, outputs, expected, found = judged(artifact, canceling(), tmp_path)
        check_parity(artifact, outputs, expected)
        assert found.agrees, artifact.name
        assert found.precision == precision
        [output] = found.outputs
        error = relative_error(outputs, expected)
        assert output.parity.relative_error == pytest.approx(error, rel=1e-3)
        if precision == "fp16":  # a mean error above 0.01, and no element off by 0.02
            assert rms_error(outputs, expected) > 0.01
            assert 0.01 < error < 0.02
        else:  # far from the network by any norm: decisions remain
            assert rms_error(outputs, expected) > 0.25


def test_a_file_that_build_rejects_is_another_network_for_diff(
    made: Sequence[Artifact], tmp_path: Path
) -> None:
    artifact, *_ = made
    _, outputs, expected, found = judged(artifact, canceling(0.1), tmp_path)
    with pytest.raises(ParityError, match=r"differs from the network by 0\.24"):
        check_parity(artifact, outputs, expected)
    assert not found.agrees
    fault = found.outputs[0].fault
    assert fault is not None
    assert (fault.measure, fault.limit) == ("relative_error", 0.02)
    assert "differs from the network by 0.24" in summary(found)


def judged(
    artifact: Artifact, program: Program, folder: Path
) -> tuple[str, np.ndarray, np.ndarray, Diff]:
    """Its precision by kind, its outputs, the network's, and what `diff` finds."""
    program.save(folder / "student.pt2")
    question = Question(
        artifact=artifact.files[0],
        against=folder / "student.pt2",
        samples=artifact.files[0].parent / "samples.npy",
    )
    return (
        "fp16" if artifact.precision == "fp16" else "int8",
        infer(artifact, SAMPLES, LocalDevice()),
        program.module(torch.from_numpy(SAMPLES)).detach().numpy(),
        diff(question, LocalDevice(), Silent()),
    )
