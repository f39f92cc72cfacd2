"""Preprocessing and post-processing in files, on handwritten digits in color."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torch import nn

from edgekit.data.predictions import expected
from edgekit.devices.local import LocalDevice
from edgekit.errors import ArtifactError
from edgekit.evaluate.accuracy import predict
from edgekit.evaluate.run import infer
from edgekit.export.workers import Variant, export_all
from edgekit.program.program import trace
from edgekit.runtimes.litert.quantizer import plain_interpreter
from edgekit.types import (
    Artifact,
    InputSpec,
    Precision,
    RuntimeName,
)
from tests.runtime.export.digits import FOLDED, RUNTIMES, Digits

LARGE = 256 * 1024
"""Bytes of constants from which LiteRT's quantizer puts them behind the model."""


@pytest.fixture(scope="module")
def plain(digits: Digits, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """The network for LiteRT as PyTorch has it."""
    folder = tmp_path_factory.mktemp("plain") / "made"
    expected: list[Variant] = [("litert", "fp32")]
    [made] = export_all(digits[0], expected, calibration=None, folder=folder)
    return made


def transposes(artifact: Artifact) -> int:
    operators = plain_interpreter(artifact.files[0].read_bytes())._get_ops_details()
    return sum(operator["op_name"] == "TRANSPOSE" for operator in operators)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(("precision", "error"), [("fp32", 1e-5), ("int8", 0.15)])
def test_every_runtime_takes_bytes_and_gives_probabilities(
    plain: Artifact,
    whole: dict[str, Artifact],
    digits: Digits,
    runtime: RuntimeName,
    precision: Precision,
    error: float,
) -> None:
    program, test = digits
    artifact = whole[f"{runtime}-{precision}"]
    raw, targets = test.unprepared().arrays()
    answers = infer(artifact, raw, LocalDevice())
    assert artifact.inputs[0].dtype == "uint8"
    scores = expected(predict(program, test), FOLDED)
    assert np.abs(answers - scores).max() < error
    assert np.abs(answers.sum(1) - 1).max() < 0.02
    assert (answers.argmax(1) == targets).mean() > 0.85
    if runtime == "litert":
        assert plain.inputs[0].layout == "NCHW"
        assert artifact.inputs[0].layout == "NHWC"
        assert artifact.inputs[0].shape == (1, 8, 8, 3)
        assert transposes(artifact) == transposes(plain) - 1
    if artifact.quantized is not None:
        assert (
            artifact.quantized.accuracy_drop is not None
            and artifact.quantized.accuracy_drop <= 0.02
        )


def test_channels_last_is_for_images_alone(tmp_path: Path) -> None:
    program = trace(nn.Linear(4, 2), (InputSpec(shape=(4,)),))
    with pytest.raises(ArtifactError, match=r"takes \[4\]\. Leave out"):
        export_all(
            program,
            [("litert", "fp32")],
            calibration=None,
            folder=tmp_path / "made",
            channels_last=True,
        )
