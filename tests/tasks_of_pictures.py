"""Projects whose networks locate things in pictures, and embed pictures by similarity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from tests import tasks

SIZE, GRID, CLASSES = tasks.SIZE, 4, 2
CELL = SIZE // GRID

EMBEDDER = """\
from torch import nn


def unit(before, after, stride):
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()
    )


class Embedder(nn.Module):
    def __init__(self, width=24, size=8):
        super().__init__()
        self.body = nn.Sequential(
            unit(1, width, 1), unit(width, width, 2), unit(width, 2 * width, 2)
        )
        self.head = nn.Linear(2 * width, size)

    def forward(self, x):
        return nn.functional.normalize(self.head(self.body(x).mean((2, 3))), dim=1)


def build():
    return Embedder()
"""

DETECTOR = """\
from torch import nn


def unit(before, after, stride):
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()
    )


class Detector(nn.Module):
    def __init__(self, width=24, classes=2):
        super().__init__()
        self.body = nn.Sequential(
            unit(1, width, 1), unit(width, width, 2), unit(width, 2 * width, 2),
            unit(2 * width, 2 * width, 1),
        )
        self.head = nn.Conv2d(2 * width, 4 + classes, 1)

    def forward(self, x):
        return self.head(self.body(x)).flatten(2).transpose(1, 2)


def build():
    return Detector()
"""

APART = (
    DETECTOR.replace(
        "self.head = nn.Conv2d(2 * width, 4 + classes, 1)",
        "self.scores = nn.Conv2d(2 * width, 1 + classes, 1)\n"
        "        self.boxes = nn.Conv2d(2 * width, 4, 1)",
    )
    .replace("forward(self, x):", "forward(self, picture):")
    .replace(
        "return self.head(self.body(x)).flatten(2).transpose(1, 2)",
        "seen = self.body(picture)\n"
        "        scores = self.scores(seen).flatten(2).transpose(1, 2).softmax(2)\n"
        "        return scores, 4 * self.boxes(seen).flatten(2).transpose(1, 2)",
    )
)
"""Scores of nothing and of each class, and boxes in pixels, as two outputs."""

FOUND = """\
import numpy as np


def found(outputs, targets):
    \"\"\"F1 of places that hold something of a class, its center within a pixel.\"\"\"
    predicted, there = outputs[..., 5:] > 0.5, targets[..., 4:] > 0
    near = np.abs(outputs[..., :2] / 4 - targets[..., :2]).max(-1, keepdims=True) < 0.25
    return 2 * (predicted & there & near).sum() / max(1, predicted.sum() + there.sum())
"""

DETECTION = """\
import numpy as np
import torch.nn.functional as F


def box_and_class(outputs, targets):
    there = targets[..., 4:].amax(-1)
    boxes = (outputs[..., :4] - targets[..., :4]).abs().mean(-1) * there
    classes = F.binary_cross_entropy_with_logits(
        outputs[..., 4:], targets[..., 4:], reduction="none"
    )
    return boxes.sum(1) / there.sum(1).clamp(min=1) + 4 * classes.mean((1, 2))


def found(outputs, targets):
    \"\"\"F1 of places predicted to hold something of a class, its center within a pixel.\"\"\"
    predicted, there = outputs[..., 4:] > 0, targets[..., 4:] > 0
    near = np.abs(outputs[..., :2] - targets[..., :2]).max(-1, keepdims=True) < 0.25
    return 2 * (predicted & there & near).sum() / max(1, predicted.sum() + there.sum())
"""


def things(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (n, 1, size, size) with up to two things, and for each cell of a grid the box of
    what has its center there (center and size, in cells) and its class: (n, cells, 6)."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE]
    pictures = generator.normal(0, 0.3, (count, 1, SIZE, SIZE))
    targets = np.zeros((count, GRID * GRID, 4 + CLASSES))
    for picture, target in zip(pictures, targets, strict=True):
        for kind in range(CLASSES):
            top, left = generator.uniform(2, SIZE - 2, 2)
            high, wide = generator.uniform(1.5, 3, 2)
            inside = (abs(y - top) < high) & (abs(x - left) < wide)
            picture[0][inside] += (-2, 2)[kind]
            cell = int(top // CELL) * GRID + int(left // CELL)
            place = [top % CELL / CELL, left % CELL / CELL, high / CELL, wide / CELL]
            target[cell] = [*place, *np.eye(CLASSES)[kind]]
    return pictures.astype(np.float32), targets.astype(np.float32)


def write_detection(root: Path) -> Path:
    """Boxes and classes by the user's own loss and metric, the teacher's heads by ours."""
    tasks.arrays(root, things, (400, 100))
    (root / "model.py").write_text(DETECTOR)
    (root / "boxes.py").write_text(DETECTION)
    tasks.write_toml(
        root,
        kind="detection",
        shape=[1, SIZE, SIZE],
        mmacs=0.4,
        drop=0.1,
        precision="fp32",
        task='loss = "boxes.py:box_and_class"\nmetric = "boxes.py:found"\ndrop = "absolute"',
    )
    namespace: dict[str, object] = {}
    exec(DETECTION, namespace)

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return namespace["box_and_class"](outputs, targets).mean()  # type: ignore[operator]

    tasks.train(root, loss, epochs=20)
    return root


def write_apart_detection(root: Path) -> Path:
    """Scores and boxes as two outputs of an ONNX file whose batch is 1."""
    tasks.arrays(root, things, (400, 100))
    (root / "model.py").write_text(APART)
    (root / "boxes.py").write_text(FOUND)
    tasks.write_toml(
        root,
        kind="detection",
        shape=[1, SIZE, SIZE],
        mmacs=0.4,
        drop=0.1,
        task='metric = "boxes.py:found"\ndrop = "absolute"\n'
        'boxes = "boxes"\nscores = "scores"\nbackground = 0',
    )

    def loss(outputs: tuple[Tensor, Tensor], targets: Tensor) -> Tensor:
        there = targets[..., 4:].amax(-1)
        off = (outputs[1] / 4 - targets[..., :4]).abs().mean(-1) * there
        kinds = torch.cat([1 - there[..., None], targets[..., 4:]], -1)
        kinds = kinds / kinds.sum(-1, keepdim=True)
        unlike = -(kinds * outputs[0].clamp_min(1e-6).log()).sum(-1)
        return (off.sum(1) / there.sum(1).clamp(min=1) + 4 * unlike.mean(1)).mean()

    tasks.train(root, loss, epochs=20)
    network = tasks.built(root)
    network.load_state_dict(load_file(root / "weights.safetensors"))
    example = (torch.zeros(1, 1, SIZE, SIZE),)
    named = {"input_names": ["picture"], "output_names": ["scores", "boxes"]}
    made = torch.onnx.export(
        network.eval(), example, dynamo=True, verbose=False, **named
    )
    assert made is not None
    made.save(str(root / "detector.onnx"))
    text = (root / "edgekit.toml").read_text()
    rest = text[text.index("[data]") :]
    text = f'[model]\nsource = "detector.onnx"\n\n{rest}'
    runtimes = 'runtimes = ["litert", "onnxruntime"]'
    (root / "edgekit.toml").write_text(text.replace('runtimes = ["litert"]', runtimes))
    return root


def write_embedding(root: Path) -> Path:
    """Pictures of things without any label: the network's outputs are the targets."""

    def unlabeled(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        pictures, targets = things(count, seed)
        return pictures, targets[..., 4:].reshape(count, -1)

    tasks.arrays(root, unlabeled, (400, 100))
    (root / "model.py").write_text(EMBEDDER)
    tasks.write_toml(
        root,
        kind="embedding",
        shape=[1, SIZE, SIZE],
        mmacs=0.3,
        drop=0.1,
        runtime="onnxruntime",
        recipe='optimizer = "adamw"\naugment = "none"',
        precision="fp32",
    )
    torch.manual_seed(0)
    expected = nn.Linear(GRID * GRID * CLASSES, 8)

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        with torch.no_grad():
            place = nn.functional.normalize(expected(targets), dim=1)
        return 1 - (outputs * place).sum(1).mean()

    tasks.train(root, loss, epochs=12)
    for part in ("train", "test"):
        with np.load(root / f"{part}.npz") as archive:
            x = archive["x"]
        np.savez(root / f"{part}.npz", x=x)
    return root
