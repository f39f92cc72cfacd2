"""Keywords in recordings: from folders of .wav to a file, and from a .wav to its answer."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import product
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

import edgekit as ek
from edgekit.agent.serving.decode import decode
from edgekit.config.project import load
from edgekit.data.metrics import named
from tests.runtime.tasks.whole import built
from tests.unit.agent.serving.test_sound import stored

pytestmark = pytest.mark.usefixtures("brief")
NETWORK = """
import torch
from torch import nn

def build():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Unflatten(1, (1, 24)), nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d((6, 4)), nn.Flatten(),
        nn.Linear(192, 3),
    )
"""
PROJECT = """
[model]
source = "network.py:build"
input = { shape = [24, 30] }
[data]
train = "train"
test = "test"
[data.preprocess]
scale = 1.0
mean = [-40.0]
std = [20.0]
[data.preprocess.audio]
rate = 8000
window = 200
hop = 80
bands = 24
[task]
kind = "keyword-spotting"
seconds = 0.315
false_accepts = 1000
[budget]
mmacs = 0.4
[recipe.prune]
cost_provenance = "estimated"
[recipe.distill]
epochs = 15
optimizer = "adamw"
augment = "none"
soft_weight = 0.0
[recipe.export]
runtimes = ["onnxruntime"]
precisions = ["fp32"]
[recipe.bench]
runtime_options_s = 0
"""
PITCHES = {"a nothing": 0.0, "go": 500.0, "stop": 1500.0}


def write(folder: Path) -> None:
    """A tone a keyword, in noise; the first class is noise alone."""
    draw = np.random.default_rng(0)
    for part, count in (("train", 40), ("test", 20)):
        for word, pitch in PITCHES.items():
            place = folder / part / word
            place.mkdir(parents=True)
            for number in range(count):
                time = np.arange(2520) / 8000
                tone = np.sin(2 * np.pi * pitch * draw.uniform(0.95, 1.05) * time)
                samples = 0.3 * tone + draw.normal(0, 0.03, len(time))
                (place / f"{number}.wav").write_bytes(stored(samples.clip(-1, 1)))
    (folder / "network.py").write_text(NETWORK)
    (folder / "edgekit.toml").write_text(PROJECT)


@pytest.mark.slow
def test_keywords_are_found_in_recordings(tmp_path: Path) -> None:
    """The student learns by labels: the network itself is not trained."""
    write(tmp_path)
    report = built(tmp_path)
    chosen = report.chosen
    assert chosen is not None
    assert chosen.evaluation.metric == "false rejects at 1000 false accepts an hour"
    assert chosen.evaluation.value < 0.1 < report.teacher.evaluation.value
    manifest = json.loads((tmp_path / "bundle/manifest.json").read_text())
    contract = manifest["contract"]
    assert contract["preprocessing"]["audio"]["bands"] == 24
    [file] = [tmp_path / "bundle" / each for each in chosen.artifact.files]
    session = onnxruntime.InferenceSession(file)
    [given] = session.get_inputs()
    outputs, targets = [], []
    for number, word in enumerate(PITCHES):
        for path in sorted((tmp_path / "test" / word).iterdir()):
            how = contract["preprocessing"]
            x = decode(path.read_bytes(), path.name, (24, 30), how)
            (scores,) = session.run(None, {given.name: x})
            outputs.append(scores)
            targets.append(number)
    assert contract["labels"] == list(PITCHES)
    metric = named(load(tmp_path).task, tmp_path)
    found = metric(np.concatenate(outputs), np.array(targets))
    assert found.value == pytest.approx(chosen.evaluation.value)


@pytest.mark.slow
def test_files_take_the_recordings_themselves(tmp_path: Path) -> None:
    """Features in the graph are those of training, on every runtime, and stay in float."""
    write(tmp_path)
    runtimes = ("onnxruntime", "litert", "openvino")
    text = PROJECT.replace(
        'runtimes = ["onnxruntime"]\nprecisions = ["fp32"]',
        f'runtimes = {json.dumps(runtimes)}\nprecisions = ["fp32", "int8"]\n'
        'fold_preprocessing = "float32"',
    )
    (tmp_path / "edgekit.toml").write_text(text)
    report = built(tmp_path)
    found = {
        (one.artifact.runtime, one.artifact.precision) for one in report.candidates
    }
    assert found == set(product(runtimes, ("fp32", "int8")))
    for one in report.candidates:
        assert one.evaluation.value < 0.1
        assert one.artifact.inputs[0].shape == (1, 2520)
        quantized = one.artifact.quantized
        if quantized is None:
            assert one.parity.relative_error < 1e-3
        else:
            assert quantized.quant_config.float_front
    manifest = json.loads((tmp_path / "bundle/manifest.json").read_text())
    how = manifest["contract"]["preprocessing"]
    assert (how["audio"]["form"], how["scale"], how["mean"]) == ("wave", 1.0, [0.0])
    content = (tmp_path / "test/go/0.wav").read_bytes()
    x = decode(content, "0.wav", (2520,), how)
    network = ek.load(tmp_path / "bundle/student.pt2")
    own = {"scale": 1.0, "mean": [-40.0], "std": [20.0]}
    audio = asdict(load(tmp_path).data.preprocess)["audio"]
    features = decode(content, "0.wav", (24, 30), {**own, "audio": audio})
    expected = network.module(torch.from_numpy(features)).detach().numpy()
    [file] = (tmp_path / "bundle").rglob("*fp32*.onnx")
    session = onnxruntime.InferenceSession(file)
    (logits,) = session.run(None, {session.get_inputs()[0].name: x})
    np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-3)
