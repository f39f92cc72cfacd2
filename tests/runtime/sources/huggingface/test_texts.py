"""A folder of a text classifier, built whole: texts in, on every runtime and on the device."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edgekit.package.bundle import check
from edgekit.package.docker import image
from edgekit.package.opened import open_bundle
from edgekit.program import program
from tests import texts
from tests.command import edgekit
from tests.runtime.pipeline.test_samples import RECIPE
from tests.unit.sources.huggingface import folders

pytest.importorskip("transformers")
ROOT = Path(__file__).parents[4]
PROJECT = (
    """
[model]
source = "folder"
[data]
train = "train.csv"
test = "test.csv"
"""
    + RECIPE
    # A student trained with rounding would be the bundle's where its file is the fastest by chance.
    + """
[recipe.quantize]
qat = "never"
"""
)


def opinions(count: int, seed: int) -> list[tuple[str, str]]:
    """Texts that call a film good or bad, and which."""
    chance = random.Random(seed)
    rows = []
    for _ in range(count):
        word = chance.choice(("good", "bad"))
        filling = chance.sample(["the", "film", "was", "very", "films", "."], 4)
        filling.insert(chance.randrange(5), word.upper() if seed % 2 else word)
        rows.append((" ".join(filling), word))
    return rows


def write(path: Path, rows: list[tuple[str, str]]) -> None:
    lines = "".join(f'"{text}",{label}\n' for text, label in rows)
    path.write_text(f"text,label\n{lines}")


def trained(folder: Path, rows: list[tuple[str, str]]) -> None:
    """A BERT of two layers that learns a few steps by transformers' own tokens."""
    network = folders.bert(folder, labels=2)
    tokens = folders.word_piece(folder)
    given = tokens([text for text, _ in rows], padding="max_length", truncation=True,
                   max_length=texts.LENGTH, return_tensors="pt")  # fmt: skip
    targets = torch.tensor([label == "good" for _, label in rows]).long()
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
    network.train()
    for _ in range(40):
        optimizer.zero_grad()
        network(**given, labels=targets).loss.backward()
        optimizer.step()
    network.eval().save_pretrained(folder)


@pytest.mark.slow
@pytest.mark.usefixtures("brief")
def test_a_text_classifier_is_built_whole_and_answers_texts(tmp_path: Path) -> None:
    trained(tmp_path / "folder", opinions(200, 2))
    write(tmp_path / "train.csv", opinions(200, 4))
    rows = opinions(60, 5)
    write(tmp_path / "test.csv", rows)
    (tmp_path / "edgekit.toml").write_text(PROJECT)
    done = edgekit(tmp_path, "build", "--target", "host", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    found = {
        (one["artifact"]["runtime"], one["artifact"]["precision"]): one["evaluation"]
        for one in report["candidates"]
    }
    assert {runtime for runtime, _ in found} == {"litert", "onnxruntime", "openvino"}
    assert all(one["value"] > 0.9 for one in found.values()), found
    bundle = tmp_path / "build" / "host"
    assert check(bundle) == []
    contract = json.loads((bundle / "manifest.json").read_text())["contract"]
    assert contract["text"]["length"] == texts.LENGTH
    assert [one["name"] for one in contract["inputs"]] == list(texts.NAMES)
    for runtime in ("litert", "onnxruntime", "openvino"):
        answers = served(bundle, runtime, tmp_path / runtime, [x for x, _ in rows[:6]])
        assert [one["label"] for one in answers] == [label for _, label in rows[:6]]
    expected = _logits(bundle, rows[0][0])
    np.testing.assert_allclose(answers[0]["outputs"][0], expected, atol=1e-4)
    compared = edgekit(tmp_path, "diff", str(bundle))
    assert compared.returncode == 0, compared.stdout + compared.stderr


def served(bundle: Path, runtime: str, place: Path, given: list[str]) -> list[Any]:
    """The answers to texts of what an image of the bundle holds."""
    opened = open_bundle(bundle)
    models = {
        name: each
        for name, each in image.models_for(opened, runtime).items()
        if each["precision"] == "fp32"
    }
    place.mkdir()
    for name, entry in image._app(opened, runtime, models).items():
        (place / Path(name).name).write_bytes(entry.read())
    command = [sys.executable, "-m", "edgekit.agent.serving.main", "infer"]
    done = subprocess.run(
        command,
        input=json.dumps({"text": given}).encode(),
        env={**os.environ, "EDGEKIT_BUNDLE": str(place), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def _logits(bundle: Path, text: str) -> np.ndarray:
    """The student's outputs of a text's tokens as the tokenizers package reads the bundle's
    file."""
    from tokenizers import Tokenizer

    found = Tokenizer.from_file(str(bundle / "tokenizer.json")).encode(text)
    given = (found.ids, found.attention_mask, found.type_ids)
    student = program.load(bundle / "student.pt2")
    with torch.no_grad():
        return student.module(*(torch.tensor([x]) for x in given))[0].numpy()
