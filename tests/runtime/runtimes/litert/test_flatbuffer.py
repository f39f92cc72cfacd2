"""Files of the quantizer, corrected."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from edgekit import data
from edgekit.devices.local import LocalDevice
from edgekit.evaluate.run import infer
from edgekit.export.quantization_accuracy import Validation
from edgekit.export.workers import export_all
from edgekit.program.io_fusion import folded
from edgekit.program.program import trace
from edgekit.runtimes.contract import embed, read
from edgekit.runtimes.litert import flatbuffer
from edgekit.runtimes.litert.quantizer import plain_interpreter
from edgekit.types import (
    Artifact,
    TaskSpec,
)
from tests.runtime.export.test_ends import (
    FOLDED,
    HOW,
    LARGE,
    RUNTIMES,
    SAMPLES,
    SHAPE,
    Digits,
)


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


def test_a_file_of_many_constants_runs_with_its_contract_inside(
    whole: dict[str, Artifact], digits: Digits
) -> None:
    artifact = whole["litert-int8"]
    assert artifact.files[0].stat().st_size > LARGE
    raw, _ = digits[1].unprepared().arrays()
    before = infer(artifact, raw[:8], LocalDevice())
    lines = {"inputs": [asdict(artifact.inputs[0])], "outputs": [], "labels": ["a"]}
    embed(artifact.files[0], lines)
    assert read(artifact.files[0]) == json.loads(json.dumps(lines))
    np.testing.assert_array_equal(infer(artifact, raw[:8], LocalDevice()), before)


def test_scales_along_the_wrong_dimension_are_put_right(
    whole: dict[str, Artifact], digits: Digits, tmp_path: Path
) -> None:
    """As the AI Edge Quantizer leaves a bias of shape (1, n)."""
    artifact = whole["litert-int8"]
    content = artifact.files[0].read_bytes()
    model = flatbuffer.unpacked(content)
    [bias] = [
        t for t in model.subgraphs[0].tensors if list(t.shape) == [1200] and t.type == 2
    ]
    bias.shape = np.array([1, 1200], np.int32)
    spoiled = flatbuffer.packed(model, len(content))
    with pytest.raises(ValueError, match="num_scales"):
        plain_interpreter(spoiled)
    path = tmp_path / "mended.tflite"
    path.write_bytes(flatbuffer.mended(spoiled))
    raw, _ = digits[1].unprepared().arrays()
    answers = [
        infer(replace(artifact, files=files), raw[:8], LocalDevice())
        for files in (artifact.files, (path,))
    ]
    np.testing.assert_array_equal(*answers)
    assert flatbuffer.mended(content) == content
