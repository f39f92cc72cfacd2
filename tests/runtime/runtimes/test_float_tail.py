"""A detector's scores survive int8, in a tensor with boxes in pixels and in one of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import edgekit as ek
from edgekit.devices.local import LocalDevice
from edgekit.evaluate.run import infer
from edgekit.tasks.scores import explained
from edgekit.types import Artifact, TaskSpec

PIXELS = 320


class Detector(nn.Module):
    """Boxes in pixels and scores from 0 to 1 for each cell of a grid."""

    def __init__(self, *, together: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.together = together
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU())
        self.boxes, self.scores = nn.Conv2d(8, 4, 1), nn.Conv2d(8, 3, 1)

    def forward(self, x: Tensor) -> Tensor | dict[str, Tensor]:
        y = self.body(x)
        boxes = (3 * self.boxes(y)).sigmoid().flatten(2).transpose(1, 2) * PIXELS
        scores = (5 * self.scores(y)).sigmoid().flatten(2).transpose(1, 2)
        if self.together:
            return torch.cat([boxes, scores], 2)
        return {"scores": scores, "boxes": boxes}


class AsExported(Detector):
    """The same with the values before the places, as YOLOv8 is exported."""

    def __init__(self) -> None:
        super().__init__(together=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        boxes = (3 * self.boxes(y)).sigmoid().flatten(2) * PIXELS
        return torch.cat([boxes, (5 * self.scores(y)).sigmoid().flatten(2)], 1)


SAMPLES = np.random.default_rng(0).normal(size=(24, 3, 8, 8)).astype(np.float32)


def made(
    folder: Path, runtimes: tuple[str, ...], *, together: bool
) -> tuple[np.ndarray, tuple[Artifact, ...]]:
    """The network's scores, and its files in int8."""
    network = ek.load(
        Detector(together=together), example_input=torch.zeros(1, 3, 8, 8)
    )
    task = TaskSpec(kind="detection")
    if not together:
        task = TaskSpec(kind="detection", boxes="boxes", scores="scores")
    files = ek.export(
        network,
        target="host",
        runtimes=runtimes,
        precisions=["int8"],
        calibration=ek.Data(calibration=SAMPLES, task=task),
        out=folder / "made",
    )
    with torch.no_grad():
        given = network.module(torch.from_numpy(SAMPLES))
    scores = given[..., 4:] if together else given["scores"]
    return scores.numpy(), files


@pytest.mark.parametrize(
    ("runtimes", "together"),
    [
        (("onnxruntime",), True),
        pytest.param(("litert", "openvino"), True, marks=pytest.mark.slow),
        pytest.param(
            ("onnxruntime", "litert", "openvino"), False, marks=pytest.mark.slow
        ),
    ],
)
def test_scores_survive_int8(
    tmp_path: Path, runtimes: tuple[str, ...], together: bool
) -> None:
    expected, files = made(tmp_path, runtimes, together=together)
    reads = () if together else (1, 0)
    assert [one.precision for one in files] == ["int8"] * len(runtimes)
    for one in files:
        found = infer(one, SAMPLES, LocalDevice(), reads)
        assert explained(found[..., 4:], expected) > 0.97, one.name
        assert np.abs(found[..., 4:] - expected).max() < 0.1
        assert one.quantized is not None
        assert one.quantized.quant_config.float_tail == together
        if not together:
            assert [spec.name for spec in one.outputs] == ["scores", "boxes"]


@pytest.mark.slow
def test_scores_survive_int8_behind_a_decoder(tmp_path: Path) -> None:
    network = ek.load(AsExported(), example_input=torch.zeros(1, 3, 8, 8))
    task = TaskSpec(kind="detection", decoder="yolov8")
    (one,) = ek.export(
        network,
        target="host",
        runtimes=["onnxruntime"],
        precisions=["int8"],
        calibration=ek.Data(calibration=SAMPLES, task=task),
        out=tmp_path / "made",
    )
    with torch.no_grad():
        expected = network.module(torch.from_numpy(SAMPLES)).numpy()[:, 4:]
    found = infer(one, SAMPLES, LocalDevice())[:, 4:]
    assert explained(found, expected) > 0.97
    assert one.quantized is not None and one.quantized.quant_config.float_tail
