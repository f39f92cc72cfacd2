"""Preprocessing and post-processing in files, on handwritten digits in color."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

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


class Scaled(nn.Module):
    """Features of an image, scaled by numbers beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, meta: Tensor, image: Tensor) -> Tensor:
        return self.features(image).mean((2, 3)) * meta


def test_images_beside_other_inputs_have_their_channels_last(tmp_path: Path) -> None:
    """Samples stay as the network takes them: they are turned for the file, by its spec."""
    torch.manual_seed(0)
    shapes = {"meta": (4,), "image": (3, 6, 5)}
    specs = tuple(InputSpec(name=name, shape=shape) for name, shape in shapes.items())
    program = trace(Scaled().eval(), specs)
    [made] = export_all(
        program,
        [("litert", "fp32")],
        calibration=None,
        folder=tmp_path / "made",
        channels_last=True,
    )
    found = [(one.name, one.shape, one.layout) for one in made.inputs]
    assert found == [("meta", (1, 4), None), ("image", (1, 6, 5, 3), "NHWC")]
    given = [np.random.randn(2, *shape).astype(np.float32) for shape in shapes.values()]
    with torch.no_grad():
        expected = program.module(*map(torch.from_numpy, given)).numpy()
    np.testing.assert_allclose(infer(made, given, LocalDevice()), expected, atol=1e-5)
