"""Each kind of task, built whole for a runtime, and one wrong data set of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edgekit import plugins
from edgekit.api.environment import attached_environment
from edgekit.commands.build import read_request
from edgekit.commands.console import Bars, err_console
from edgekit.errors import DataError
from edgekit.pipeline import build
from edgekit.tasks import TaskDefinition
from edgekit.types import Parity, Report

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

def quarters():
    return vector(4)

def keyword():
    return vector(3)

def values():
    return vector(2)

def maps():
    return nn.Sequential(*body(), nn.Conv2d(8, 3, 1))

def vectors():
    return vector(6)

class Tokens(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(20, 32)
        self.body = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
        self.head = nn.Linear(64, outputs)
        self.head.weight.data *= 20

    def forward(self, tokens):
        return self.head(self.body(self.embed(tokens)))

def tags():
    return Tokens(3)

def following():
    return Tokens(20)
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

def quarter(x, _):
    return np.stack([x[:, 0, 8 * (n // 2):, 8 * (n % 2):].mean((1, 2)) for n in range(4)]).argmax(0)

def spoken(x, random):
    return random.integers(0, 3, len(x))

def means(x, _):
    return np.stack([x.mean((1, 2, 3)), x.std((1, 2, 3))], 1)

def thirds(x, _):
    return (3 * x[:, 0]).astype(int).clip(0, 2)

def read(count, seed):
    return np.random.default_rng(seed).integers(0, 20, (count, 12))

def pairs(make):
    return lambda: tagged(make, 120, 0), lambda: tagged(make, 40, 1)

def tagged(make, count, seed):
    x = read(count, seed)
    return x, make(x)

def odd(x):
    return x % 3

tags, tags_test = pairs(odd)

def following():
    return read(120, 0)

def following_test():
    return read(40, 1)

quarters, quarters_test = each(quarter)
keyword, keyword_test = each(spoken)
values, values_test = each(means)
maps, maps_test = each(thirds)
vectors, vectors_test = each(quarter)
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
input = {{ {input} }}
[data]
train = "data.py:{name}"
test = "data.py:{name}_test"
{preprocess}
[task]
kind = "{kind}"
{task}
[budget]
mmacs = {mmacs}
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
    input: str = "shape = [1, 16, 16]"
    preprocess: str = "[data.preprocess]\nscale = 1.0"
    task: str = ""
    mmacs: float = 0.12
    elsewhere: bool = False
    """True where `tests/runtime/test_tasks.py` or `test_build.py` builds the kind whole."""


TOKENS: dict[str, Any] = {
    "input": 'shape = [12], dtype = "int64"',
    "preprocess": "",
    "mmacs": 0.05,
}


CASES = {
    "classification": Case(
        name="quarters",
        elsewhere=True,
        metric="accuracy",
        wrong=(".argmax(0)", ".argmax(0) + 1"),
        message="Classes count from 0: subtract 1 from every label",
    ),
    "keyword-spotting": Case(
        name="keyword",
        metric="false rejects at 100 false accepts an hour",
        wrong=("integers(0, 3,", "integers(1, 3,"),
        message="no samples without a keyword: class 0 is the one without",
        task="false_accepts = 100",
    ),
    "regression": Case(
        name="values",
        elsewhere=True,
        metric="mean absolute error",
        wrong=("x.std((1, 2, 3))], 1)", "x.std((1, 2, 3)), x[:, 0, 0, 0]], 1)"),
        message="targets of shape [3] a sample, and the network returns [2]",
    ),
    "segmentation": Case(
        name="maps",
        elsewhere=True,
        metric="mean IoU",
        wrong=("clip(0, 2)", "clip(0, 2) + 1"),
        message="have class 3, but the network has 3 outputs",
    ),
    "embedding": Case(
        name="vectors",
        elsewhere=True,
        metric="retrieval precision",
        wrong=(
            "x[:, 0, 8 * (n // 2):, 8 * (n % 2):].mean((1, 2)) for n in range(4)]).argmax(0)",
            "x[:, 0, n, n] for n in range(4)], 1)",
        ),
        message="have targets of shape [40, 4], and the network returns [40, 6]",
    ),
    "token-classification": Case(
        name="tags",
        elsewhere=True,
        metric="token accuracy",
        wrong=("x % 3", "x[:, :9] % 3"),
        message="targets of shape [9] a sample, and the network decides [12]",
        **TOKENS,
    ),
    "language-modeling": Case(
        name="following",
        elsewhere=True,
        metric="perplexity",
        wrong=("integers(0, 20", "integers(0, 30"),
        message="have the token 29, and the network has embeddings of the tokens 0 to 19",
        **TOKENS,
    ),
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
    project = PROJECT.format(
        name=case.name,
        kind=kind,
        input=case.input,
        preprocess=case.preprocess,
        task=case.task,
        mmacs=case.mmacs,
    )
    files = {"network.py": NETWORKS, "data.py": data, "edgekit.toml": project}
    for name, text in files.items():
        (folder / name).write_text(text)
    bars = Bars(err_console, silent=True)
    request = read_request(folder, "host", bars)
    with attached_environment(request, device="local", progress=bars) as env:
        return build.build(request, env, folder / "bundle")


def alike(parity: Parity) -> float:
    """Of decisions, or of the variance of values."""
    found = parity.explained if parity.agreement is None else parity.agreement
    assert found is not None
    return found


def test_every_kind_has_a_row() -> None:
    """Detection and instance segmentation have files of their own."""
    assert {*CASES, "detection", "instance-segmentation"} == set(
        plugins.records("edgekit.tasks", TaskDefinition)
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", [k for k, one in CASES.items() if not one.elsewhere])
def test_a_kind_is_built_whole(tmp_path: Path, kind: str) -> None:
    report = built(tmp_path, kind)
    made = report.candidates
    assert {one.evaluation.metric for one in made} == {CASES[kind].metric}
    assert {one.artifact.precision for one in made} == {"fp32", "int8"}
    assert all(alike(one.parity) > 0.9 for one in made)
    assert report.student.macs < report.teacher.macs


@pytest.mark.parametrize("kind", CASES)
def test_data_that_do_not_fit_are_one_line(tmp_path: Path, kind: str) -> None:
    with pytest.raises(DataError) as error:
        built(tmp_path, kind, wrong=True)
    assert CASES[kind].message in str(error.value)
    assert not (tmp_path / "bundle").exists()
