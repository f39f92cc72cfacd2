"""Preprocessing and post-processing in files, on handwritten digits in color."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from edgekit import data
from edgekit.data.predictions import expected
from edgekit.devices.local import LocalDevice
from edgekit.errors import ArtifactError
from edgekit.evaluate.accuracy import predict
from edgekit.evaluate.run import infer
from edgekit.export.quantization_accuracy import Validation
from edgekit.export.workers import Variant, export_all
from edgekit.program.io_fusion import folded
from edgekit.program.program import Program, trace
from edgekit.runtimes.litert.quantizer import plain_interpreter
from edgekit.types import (
    Artifact,
    InputSpec,
    IOFusion,
    Precision,
    Preprocess,
    RuntimeName,
    TaskSpec,
)

SAMPLES = 100
LARGE = 256 * 1024
"""Bytes of constants from which LiteRT's quantizer puts them behind the model."""
SHAPE = InputSpec(shape=(3, 8, 8))
HOW = Preprocess(scale=16, mean=(0.3, 0.7, 0.15), std=(0.4, 0.4, 0.2))
RUNTIMES: tuple[RuntimeName, ...] = ("litert", "onnxruntime", "openvino")
FOLDED = IOFusion(
    preprocess=HOW,
    dtype="uint8",
    postprocess="softmax",
    classes=10,
)
Digits = tuple[Program, data.Dataset]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Digits:
    """A small network that has learned handwritten digits in color, and some it has not seen."""
    folder = tmp_path_factory.mktemp("digits")
    found = load_digits()
    bright = found.images[:, None]
    colored = np.concatenate([bright, 16 - bright, bright / 2], 1).astype(np.uint8)
    for part, chosen in (("train", slice(SAMPLES, None)), ("test", slice(SAMPLES))):
        np.savez(folder / f"{part}.npz", x=colored[chosen], y=found.target[chosen])

    def read(part: str) -> data.Dataset:
        return data.load(f"{part}.npz", root=folder, input=SHAPE, preprocess=HOW)

    torch.manual_seed(0)
    network = nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(256, 1200), nn.ReLU(), nn.Linear(1200, 10)),
    )
    x, y = map(torch.from_numpy, read("train").arrays())
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for batch in [*torch.randperm(len(x)).split(64)] * 4:
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
        optimizer.step()
    test = read("test")
    return trace(network, (SHAPE,)), test


@pytest.fixture(scope="module")
def plain(digits: Digits, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """The network for LiteRT as PyTorch has it."""
    folder = tmp_path_factory.mktemp("plain") / "made"
    expected: list[Variant] = [("litert", "fp32")]
    [made] = export_all(digits[0], expected, calibration=None, folder=folder)
    return made


@pytest.fixture(scope="module")
def whole(
    digits: Digits, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Artifact]:
    """The same of bytes, ending in probabilities, for every runtime; LiteRT's of images with
    their channels last."""
    program, test = digits
    inputs, targets = test.unprepared().arrays()
    made = export_all(
        folded(program, FOLDED),
        [
            (runtime, precision)
            for runtime in RUNTIMES
            for precision in ("fp32", "int8")
        ],
        calibration=inputs,
        folder=tmp_path_factory.mktemp("whole") / "made",
        validation=Validation(
            inputs=inputs,
            targets=targets,
            task=TaskSpec(),
            root=Path(),
            allowed=0.02,
            folding=FOLDED,
        ),
        channels_last=True,
    )
    return {artifact.name: artifact for artifact in made}


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
        assert artifact.quantized.lost is not None and artifact.quantized.lost <= 0.02


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
