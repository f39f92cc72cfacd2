"""Handwritten digits in color, a network that has learned them, and its files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from edgekit import data
from edgekit.export.quantization_accuracy import Validation
from edgekit.export.workers import export_all
from edgekit.program.io_fusion import folded
from edgekit.program.program import Program, trace
from edgekit.types import (
    Artifact,
    InputSpec,
    IOFusion,
    Preprocess,
    RuntimeName,
    TaskSpec,
)

SAMPLES = 100
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


def learned(folder: Path) -> Digits:
    """A small network that has learned handwritten digits in color, and some it has not seen,
    of which `folder` keeps the files."""
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


def export_folded(digits: Digits, folder: Path) -> dict[str, Artifact]:
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
        folder=folder,
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
