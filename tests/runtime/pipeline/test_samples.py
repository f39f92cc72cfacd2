"""Networks of several inputs, built whole: from a function, a program and an ONNX file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from edgekit.sources import load
from edgekit.types import ModelSpec, NetworkInput
from tests.command import edgekit

NETWORK = """
import torch
from torch import nn

class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.words = nn.Embedding(10, 8)
        self.head = nn.Linear(16, 2)

    def forward(self, image, words):
        seen = self.norm(self.conv(image)).relu().mean((2, 3))
        return self.head(torch.cat([seen, self.words(words).mean(1)], 1))

def build():
    return Two()
"""
DATA = """
import numpy as np

def drawn(count, seed):
    random = np.random.default_rng(seed)
    image = random.integers(0, 256, (count, 1, 6, 6)).astype(np.uint8)
    words = random.integers(0, 10, (count, 5))
    return {"words": words, "image": image, "labels": (words.sum(1) > 22).astype(int)}

def train():
    return drawn(200, 0)

def test():
    return drawn(60, 1)
"""
RECIPE = """
[budget]
size_mb = 1.0
[recipe.prune]
cost_provenance = "estimated"
[recipe.distill]
epochs = 1
[recipe.export]
runtimes = ["litert", "onnxruntime", "openvino"]
precisions = ["fp32", "int8"]
[recipe.bench]
runtime_options_s = 0
"""
PROJECT = (
    """
[model]
source = "{source}"
{inputs}
[data]
train = "data.py:train"
test = "data.py:test"
"""
    + RECIPE
)
SHAPES = (
    'name = "image"\nshape = [1, 6, 6]',
    'name = "words"\nshape = [5]\ndtype = "int64"',
)
INPUTS = "".join(f"[[model.inputs]]\n{each}\n" for each in SHAPES)
SPEC = ModelSpec(
    source="model.py:build",
    inputs=(
        NetworkInput(name="image", shape=(1, 6, 6)),
        NetworkInput(name="words", shape=(5,), dtype="int64"),
    ),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of an image and of words in three forms, and its data."""
    place = tmp_path_factory.mktemp("two")
    (place / "model.py").write_text(NETWORK)
    (place / "data.py").write_text(DATA)
    network = load(SPEC, root=place)
    network.save(place / "net.pt2")
    program = torch.onnx.export(
        network.exported().module(check_guards=False),
        network.example(2),
        input_names=["image", "words"],
        output_names=["scores"],
        dynamo=True,
        verbose=False,
        dynamic_shapes=({0: torch.export.Dim("batch")},) * 2,
    )
    assert program is not None
    program.save(str(place / "net.onnx"))
    return place


@pytest.mark.slow
@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("source", ["model.py:build", "net.pt2", "net.onnx"])
def test_a_network_of_two_inputs_is_built_whole(folder: Path, source: str) -> None:
    inputs = INPUTS if source.startswith("model") else ""
    (folder / "edgekit.toml").write_text(PROJECT.format(source=source, inputs=inputs))
    names = [("image", [1, 1, 6, 6]), ("words", [1, 5])]
    out = f"build/{Path(source).suffix[1:4]}"
    done = edgekit(folder, "build", "--target", "host", "--out", out, "--json", "--yes")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    made = [one["artifact"] for one in report["candidates"]]
    assert {one["runtime"] for one in made} == {"litert", "onnxruntime", "openvino"}
    for one in made:
        given = [(x["name"], x["shape"]) for x in one["inputs"]]
        assert given == names, one["name"]
        assert [x["dtype"] for x in one["inputs"]] == ["float32", "int64"]
    contract = json.loads((folder / out / "manifest.json").read_text())["contract"]
    scales = {x["name"]: x["preprocessing"]["scale"] for x in contract["inputs"]}
    assert scales == {"image": 255.0, "words": 1.0}
    assert contract["preprocessing"] is None
    with np.load(folder / out / "calibration.npz") as drawn:
        assert set(drawn.files) == {"image", "words", "indices"}
        assert drawn["image"].max() <= 1 < drawn["words"].max()
    compared = edgekit(folder, "diff", out)
    assert compared.returncode == 0, compared.stdout + compared.stderr


@pytest.mark.parametrize(
    ("changed", "by", "message"),
    [
        ('name = "words"', 'name = "image"', "'image' is there twice"),
        ("\nshape = [5]", "", "'words' of a network from a function needs its shape"),
        ('"words": words, ', "", "and no 'words'"),
        ("(0, 10, (count, 5))", "(0, 10, (count, 4))", "but the input 'words' is [5]"),
        (', "labels": (words', ', "labels": (words[:9]', "samples but 9 labels"),
    ],
)
def test_wrong_inputs_are_one_line(
    tmp_path: Path, changed: str, by: str, message: str
) -> None:
    files = {
        "model.py": NETWORK,
        "data.py": DATA,
        "edgekit.toml": PROJECT.format(source="model.py:build", inputs=INPUTS),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text.replace(changed, by))
    done = edgekit(tmp_path, "build", "--target", "host")
    [line] = [each for each in done.stderr.splitlines() if "Error" in each]
    assert done.returncode not in (0, 1) and message in done.stderr.replace(
        "\n", " "
    ), line
    assert "Traceback" not in done.stderr
