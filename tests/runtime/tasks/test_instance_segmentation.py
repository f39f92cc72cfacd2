"""Things with masks: from photographs with COCO's JSON to files and the mAP of their masks."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from edgekit.errors import DataError
from edgekit.package.docker import image
from edgekit.package.opened import open_bundle
from edgekit.program import program
from tests.runtime.tasks.whole import built

pytestmark = pytest.mark.usefixtures("brief")
ROOT = Path(__file__).parents[3]
SIDE, HALF = 32, 16
KINDS = ("disc", "box")
MODEL = """
from torch import nn

def unit(before, after):
    return [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]

def build():
    return nn.Sequential(*unit(1, 16), *unit(16, 16), *unit(16, 16), nn.Conv2d(16, 3, 1))
"""
DECODE = """
import numpy as np

def things(logits):
    '''At most one thing of a kind in each half of the picture.'''
    powers = np.exp(logits - logits.max(0))
    seen = powers / powers.sum(0)
    boxes, masks, scores, classes = [], [], [], []
    for kind in range(2):
        for half in (slice(0, 16), slice(16, 32)):
            mask = np.zeros(seen.shape[1:], bool)
            mask[:, half] = seen[kind + 1, :, half] > 0.5
            if mask.sum() < 12:
                continue
            y, x = np.nonzero(mask)
            boxes.append((x.min(), y.min(), x.max() + 1, y.max() + 1))
            masks.append(mask)
            scores.append(seen[kind + 1][mask].mean())
            classes.append(kind)
    return np.array(boxes), np.array(masks).reshape(-1, *seen.shape[1:]), scores, classes
"""
PROJECT = """
[model]
source = "model.py:build"
weights = "weights.safetensors"
input = { shape = [1, 32, 32] }
[data]
train = "train"
test = "test"
[task]
kind = "instance-segmentation"
decoder = "decode.py:things"
[budget]
mmacs = 3
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


def drawn(count: int, seed: int) -> tuple[np.ndarray, list[list[dict[str, Any]]]]:
    """Pictures (n, side, side), and the annotations of each: a disc or a box in each half."""
    draw = np.random.default_rng(seed)
    pictures = draw.normal(60, 15, (count, SIDE, SIDE))
    y, x = np.mgrid[:SIDE, :SIDE]
    things: list[list[dict[str, Any]]] = []
    for picture in pictures:
        things.append([])
        for left in (0, HALF):
            kind, far = int(draw.integers(2)), int(draw.integers(3, 6))
            down = int(draw.integers(far + 1, SIDE - far - 1))
            across = left + int(draw.integers(far + 1, HALF - far))
            apart = np.stack([x - across, y - down])
            inside = (np.hypot(*apart) if kind == 0 else np.abs(apart).max(0)) <= far
            picture[inside] += 80 if kind == 0 else 150
            corner = (across - far, down - far, across + far + 1, down + far + 1)
            things[-1].append(annotation(kind, inside, corner))
    return pictures.clip(0, 255).astype(np.uint8), things


def annotation(
    kind: int, inside: np.ndarray, corner: tuple[int, ...]
) -> dict[str, Any]:
    """A disc by run lengths, a box by its polygon."""
    x1, y1, x2, y2 = corner
    flat = inside.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = {"size": [SIDE, SIDE], "counts": np.diff([0, *edges, flat.size]).tolist()}
    return {
        "category_id": kind + 1,
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "iscrowd": 0,
        "segmentation": runs if kind == 0 else [[x1, y1, x2, y1, x2, y2, x1, y2]],
    }


def write(folder: Path, count: int, seed: int) -> None:
    """Pictures and COCO's JSON."""
    folder.mkdir()
    pictures, things = drawn(count, seed)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{number}.png")
    content = {
        "images": [
            {"id": n, "file_name": f"{n}.png", "width": SIDE, "height": SIDE}
            for n in range(count)
        ],
        "categories": [{"id": n, "name": name} for n, name in enumerate(KINDS, 1)],
        "annotations": [
            {"id": 10 * n + k, "image_id": n, **one}
            for n, each in enumerate(things)
            for k, one in enumerate(each)
        ],
    }
    (folder / "annotations.json").write_text(json.dumps(content))


def classes(things: list[list[dict[str, Any]]]) -> np.ndarray:
    """The class of each pixel (n, side, side), 0 where nothing is."""
    found = np.zeros((len(things), SIDE, SIDE), np.int64)
    for picture, each in zip(found, things, strict=True):
        for one in each:
            x, y, width, height = one["bbox"]
            if one["category_id"] == 2:
                picture[y : y + height, x : x + width] = 2
                continue
            counts = one["segmentation"]["counts"]
            flat = np.repeat(np.arange(len(counts)) % 2, counts)
            picture[flat.reshape(SIDE, SIDE, order="F") > 0] = 1
    return found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write(tmp_path / "train", 64, 0)
    write(tmp_path / "test", 24, 1)
    files = {"model.py": MODEL, "decode.py": DECODE, "edgekit.toml": PROJECT}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    save_file(untrained().state_dict(), tmp_path / "weights.safetensors")
    return tmp_path


def untrained() -> nn.Module:
    namespace: dict[str, Any] = {}
    exec(MODEL, namespace)
    torch.manual_seed(0)
    network: nn.Module = namespace["build"]()
    return network


@pytest.fixture
def example(project: Path) -> Path:
    """With the trained network."""
    pictures, things = drawn(64, 0)
    targets, network = classes(things), untrained()
    x, y = torch.from_numpy(pictures)[:, None] / 255, torch.from_numpy(targets)
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    for _ in range(80):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x), y).backward()
        optimizer.step()
    save_file(network.state_dict(), project / "weights.safetensors")
    return project


@pytest.mark.slow
def test_a_network_is_built_whole_and_its_masks_are_drawn(example: Path) -> None:
    pytest.importorskip("faster_coco_eval")
    report = built(example)
    assert report.teacher.evaluation.metric == "mask mAP50-95"
    assert report.teacher.evaluation.value > 0.5
    assert report.student.macs < 3e6 < report.teacher.macs
    found = {one.artifact.precision: one for one in report.candidates}
    assert {*found} == {"fp32", "int8"}
    assert found["fp32"].evaluation.value > 0.5
    assert found["fp32"].parity.relative_error < 1e-3
    apart = found["fp32"].evaluation.value - found["int8"].evaluation.value
    assert apart < 0.1
    manifest = json.loads((example / "bundle" / "manifest.json").read_text())
    assert manifest["contract"]["labels"] == [*KINDS]
    for picture in report.pictures:
        assert len(picture.drawn) == 4
        marked, network = picture.drawn[:2]
        assert marked.mask is not None and network.mask is not None
        assert len(marked.boxes) == len(marked.mask.classes) == 2
        assert {one.label for one in marked.boxes} <= {*KINDS}
    check_on_device(example)


def check_on_device(example: Path) -> None:
    """An image of the bundle returns the things that PyTorch and the decoder find."""
    bundle = open_bundle(example / "bundle")
    assert bundle.code == "decoder.py" and (bundle.folder / bundle.code).is_file()
    models = image.models_for(bundle, "onnxruntime")
    folder = example / "unpacked"
    folder.mkdir()
    for path, entry in image._app(bundle, "onnxruntime", models).items():
        (folder / path.rpartition("/")[2]).write_bytes(entry.read())
    picture = drawn(24, 1)[0][0]
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "PNG")
    command = ("infer", "--allow-code", "--model", "onnxruntime-fp32")
    done = subprocess.run(
        [sys.executable, "-m", "edgekit.agent.serving.main", *command],
        env={**os.environ, "EDGEKIT_BUNDLE": str(folder), "PYTHONPATH": str(ROOT)},
        input=content.getvalue(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["boxes"]
    student = program.load(bundle.folder / "student.pt2")
    with torch.no_grad():
        output = student.answer(torch.from_numpy(picture)[None, None] / 255)[0].numpy()
    namespace: dict[str, Any] = {}
    exec(DECODE, namespace)
    boxes, masks, scores, classes = map(np.asarray, namespace["things"](output))
    order = np.argsort(-scores)
    assert len(found) == len(boxes) > 0
    assert [one["box"] for one in found] == boxes[order].tolist()
    assert [one["label"] for one in found] == [KINDS[kind] for kind in classes[order]]
    assert [one["score"] for one in found] == pytest.approx(scores[order], abs=1e-4)
    for one, mask in zip(found, masks[order], strict=True):
        counts = one["mask"]["counts"]
        flat = np.repeat(np.arange(len(counts)) % 2, counts)
        assert np.array_equal(flat.reshape(SIDE, SIDE, order="F") > 0, mask)


def test_a_mask_that_is_none_is_one_line(project: Path) -> None:
    pytest.importorskip("faster_coco_eval")
    file = project / "test" / "annotations.json"
    content = json.loads(file.read_text())
    content["annotations"][3]["segmentation"] = [[1, 2, 3]]
    file.write_text(json.dumps(content))
    with pytest.raises(DataError, match="its segmentation is none"):
        built(project)
    assert not (project / "bundle").exists()
