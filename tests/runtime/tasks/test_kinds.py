"""Each kind of task, built whole for a runtime, and one wrong data set of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from edgekit.api.environment import attached_environment
from edgekit.commands.build import read_request
from edgekit.commands.console import Bars, err_console
from edgekit.errors import DataError
from edgekit.pipeline import build
from edgekit.types import Report

pytestmark = pytest.mark.usefixtures("brief")
NETWORKS = """
import torch
from torch import nn

def body(channels=1, wide=8):
    torch.manual_seed(0)
    return [nn.Conv2d(channels, wide, 3, padding=1), nn.BatchNorm2d(wide), nn.ReLU(),
            nn.Conv2d(wide, wide, 3, padding=1), nn.ReLU()]

def vector(size, *end):
    head = nn.Linear(8 * 16, size)
    head.weight.data *= 20
    return nn.Sequential(*body(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), head, *end)

class Frames(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Sequential(*body()), nn.Linear(8, 5)

    def forward(self, x):
        return self.head(self.body(x).mean(2).transpose(1, 2))

def labels():
    return vector(3, nn.Sigmoid())

def mask():
    return nn.Sequential(*body(), nn.Conv2d(8, 1, 1))

def image():
    return nn.Sequential(*body(), nn.Conv2d(8, 4, 1), nn.PixelShuffle(2))

def frames():
    return Frames()

def points():
    return vector(8, nn.Unflatten(1, (4, 2)))

def score():
    return vector(1)
"""
DATA = """
import numpy as np

SIZE = 16

def drawn(count, seed):
    return np.random.default_rng(seed).random((count, 1, SIZE, SIZE)).astype(np.float32)

def each(make):
    return lambda: pair(make, 120, 0), lambda: pair(make, 40, 1)

def pair(make, count, seed):
    x = drawn(count, seed)
    return x, make(x, np.random.default_rng(seed + 2))

def bright(x, _):
    return np.stack([x[:, 0, 5 * n : 5 * n + 5].mean((1, 2)) > 0.5 for n in range(3)], 1)

def white(x, _):
    return x[:, 0] > 0.5

def twice(x, _):
    return x.repeat(2, 2).repeat(2, 3)

def words(x, random):
    found = random.integers(1, 5, (len(x), 4))
    found[:, 3] = -1
    return found

def corners(x, random):
    return random.random((len(x), 4, 2))

def strange(x, _):
    return (x.mean((1, 2, 3)) > 0.5).astype(int)

labels, labels_test = each(bright)
mask, mask_test = each(white)
image, image_test = each(twice)
frames, frames_test = each(words)
points, points_test = each(corners)
score, score_test = each(strange)
"""
PROJECT = """
[model]
source = "network.py:{name}"
input = {{ shape = [1, 16, 16] }}
[data]
train = "data.py:{name}"
test = "data.py:{name}_test"
[data.preprocess]
scale = 1.0
[task]
kind = "{kind}"
[budget]
mmacs = 0.12
[recipe.prune]
cost_provenance = "estimated"
[recipe.distill]
epochs = 2
[recipe.export]
runtimes = ["onnxruntime"]
precisions = ["fp32", "int8"]
[recipe.bench]
runtime_options_s = 0
"""


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    metric: str
    wrong: tuple[str, str]
    """A part of the data, and what takes its place."""
    message: str


CASES = {
    "multi-label": Case(
        name="labels",
        metric="mean average precision",
        wrong=("range(3)], 1)", "range(3)], 1) * 2"),
        message="has the label 2 in samples 0, 1, 2, 3, 4 and 103 more. Give 0 or 1",
    ),
    "binary-segmentation": Case(
        name="mask",
        metric="IoU",
        wrong=("x[:, 0] > 0.5", "(x[:, 0] > 0.5) * 254 + (x[:, 0] > 0.7)"),
        message="has masks with 254 beside 255",
    ),
    "image-restoration": Case(
        name="image",
        metric="PSNR (dB)",
        wrong=(".repeat(2, 3)", ""),
        message="targets of shape [1, 32, 16] a sample, and the network returns "
        "[1, 32, 32]",
    ),
    "sequence-recognition": Case(
        name="frames",
        metric="symbol error rate",
        wrong=("integers(1, 5", "integers(1, 9"),
        message="has the symbols 1 to 4; 0 is the blank",
    ),
    "keypoint-detection": Case(
        name="points",
        metric="PCK at 0.1",
        wrong=("(len(x), 4, 2)", "(len(x), 5, 2)"),
        message="5 points a sample, and the network returns [4, 2]",
    ),
    "anomaly-detection": Case(
        name="score",
        metric="area under the ROC curve",
        wrong=("> 0.5).astype(int)", "> 9).astype(int)"),
        message="need normal samples (0) and anomalies (1)",
    ),
}


def built(folder: Path, kind: str, *, wrong: bool = False) -> Report:
    case = CASES[kind]
    data = DATA.replace(*case.wrong) if wrong else DATA
    project = PROJECT.format(name=case.name, kind=kind)
    files = {"network.py": NETWORKS, "data.py": data, "edgekit.toml": project}
    for name, text in files.items():
        (folder / name).write_text(text)
    bars = Bars(err_console, silent=True)
    request = read_request(folder, "host", bars)
    with attached_environment(request, device="local", progress=bars) as env:
        return build.build(request, env, folder / "bundle")


@pytest.mark.slow
@pytest.mark.parametrize("kind", CASES)
def test_a_kind_is_built_whole(tmp_path: Path, kind: str) -> None:
    report = built(tmp_path, kind)
    made = report.candidates
    assert {one.evaluation.metric for one in made} == {CASES[kind].metric}
    assert {one.artifact.precision for one in made} == {"fp32", "int8"}
    assert all((one.parity.explained or 0) > 0.9 for one in made)
    assert report.student.macs < report.teacher.macs


@pytest.mark.parametrize("kind", CASES)
def test_data_that_do_not_fit_are_one_line(tmp_path: Path, kind: str) -> None:
    with pytest.raises(DataError) as error:
        built(tmp_path, kind, wrong=True)
    assert CASES[kind].message in str(error.value)
    assert not (tmp_path / "bundle").exists()
