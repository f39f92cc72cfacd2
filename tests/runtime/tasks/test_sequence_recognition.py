"""Numbers in handwriting: the example, built whole, and read by its file's own runtime."""

from __future__ import annotations

import itertools
import runpy
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from edgekit.api.environment import attached_environment
from edgekit.commands.build import read_request
from edgekit.commands.console import Bars, err_console
from edgekit.config.resources import shipped
from edgekit.pipeline import build

pytestmark = pytest.mark.usefixtures("brief")
SOURCE = shipped("examples/ocr")
FEW = """
import loader

def train():
    return loader.train(400)

def test():
    return loader.test(80)
"""
RECIPE = """
[recipe.prune]
cost_provenance = "estimated"
[recipe.distill]
epochs = 2
optimizer = "adamw"
[recipe.export]
runtimes = ["onnxruntime"]
precisions = ["fp32", "int8"]
[recipe.bench]
runtime_options_s = 0
"""


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The example with a few of its lines."""
    for name in ("model.py", "loader.py", "teacher.safetensors"):
        shutil.copy(SOURCE / name, tmp_path)
    text = (SOURCE / "edgekit.toml").read_text().replace('"loader.py:', '"few.py:')
    text, found, _ = text.partition("[budget]")
    assert found
    (tmp_path / "edgekit.toml").write_text(f"{text}[budget]\nmmacs = 20\n{RECIPE}")
    (tmp_path / "few.py").write_text(FEW)
    return tmp_path


def best_path(frames: np.ndarray) -> list[int]:
    return [one for one, _ in itertools.groupby(frames.argmax(-1).tolist()) if one]


def errors(found: list[int], right: list[int]) -> int:
    """Levenshtein's distance, by its definition."""
    row = list(range(len(right) + 1))
    for one in found:
        before, row[0] = row[0], row[0] + 1
        for place, other in enumerate(right, 1):
            replaced = before + (one != other)
            before, row[place] = (
                row[place],
                min(replaced, row[place] + 1, row[place - 1] + 1),
            )
    return row[-1]


@pytest.mark.slow
def test_numbers_are_read_by_a_smaller_network(example: Path) -> None:
    bars = Bars(err_console, silent=True)
    request = read_request(example, "host", bars)
    with attached_environment(request, device="local", progress=bars) as env:
        report = build.build(request, env, example / "bundle")
    assert report.teacher.evaluation.value < 0.03
    assert report.student.macs < 20e6 < report.teacher.macs
    made = {one.artifact.precision: one for one in report.candidates}
    assert set(made) == {"fp32", "int8"}
    lines, classes = runpy.run_path(str(SOURCE / "loader.py"))["test"](80)
    for one in made.values():
        assert one.evaluation.metric == "symbol error rate"
        [file] = [example / "bundle" / path for path in one.artifact.files]
        session = onnxruntime.InferenceSession(file)
        [given] = session.get_inputs()
        wrong = 0
        for line, row in zip((lines / 255 - 0.2) / 0.3, classes, strict=True):
            frames = session.run(None, {given.name: line[None].astype(np.float32)})[0]
            wrong += errors(best_path(frames[0]), row[row >= 0].tolist())
        rate = wrong / (classes >= 0).sum()
        assert rate == pytest.approx(one.evaluation.value, abs=0.02)
        assert rate < 0.2
