"""Projects with networks and images of the sizes that people deploy: for `real_size`.

Bodies are random, with statistics of batch norm from the images. The last layer of a classifier
is fitted by least squares to gratings in four directions; a detector's scores are random, and some
places of each image score high. So a build does all that it does with a trained network, and what
it loses means nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file
from torch import Tensor, nn

from benchmarks.yolo import Yolo
from tests.zoo.timm_networks import create

CLASSES = 4
TRAIN, TEST = 500, 100
"""Images of each classifier's data; of the detector's 200 and 60."""
CLASSIFIER = """\
from tests.zoo.timm_networks import create

def build():
    return create("{name}", num_classes=4)
"""
DETECTOR = """\
from benchmarks.yolo import Yolo

def build():
    return Yolo()
"""
PROJECT = """\
[model]
source = "model.py:build"
weights = "weights.safetensors"
input = {{ shape = [3, {side}, {side}] }}
[data]
train = "data/train"
test = "data/test"
[data.preprocess]
scale = 255
mean = [0.5, 0.5, 0.5]
std = [0.25, 0.25, 0.25]
{task}
[budget]
mmacs = {mmacs}
[recipe.distill]
epochs = 1
"""
CLASSIFICATION = '[task]\nkind = "classification"\n'
DETECTION = """\
[task]
kind = "detection"
boxes = "boxes"
scores = "scores"
decoder = { head = "dfl", bins = 16, confidence = 0.4 }
"""


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network, and the multiply-adds that its build is cut to."""

    name: str
    mmacs: float
    side: int = 224
    planned: bool = False
    """True where only a plan is made: no training."""
    before: bool = False
    """True where the older commit builds it, too."""

    @property
    def detects(self) -> bool:
        return self.name == "yolov8n-like"


NETWORKS = (
    Network(name="mobilenetv2_100", mmacs=220, before=True),
    Network(name="tf_efficientnet_lite0", mmacs=280),
    Network(name="yolov8n-like", mmacs=800, side=320),
    Network(name="resnet50", mmacs=2900, planned=True),
)


def write(network: Network, folder: Path) -> None:
    """Write the project, its weights and images into a new folder."""
    images = drawn if network.detects else gratings
    count = (200, 60) if network.detects else (TRAIN, TEST)
    task = DETECTION if network.detects else CLASSIFICATION
    for part, number, seed in zip(("train", "test"), count, (1, 2), strict=True):
        images(folder / "data" / part, number, network.side, seed)
    text = PROJECT.format(side=network.side, mmacs=network.mmacs, task=task)
    (folder / "edgekit.toml").write_text(text)
    model = DETECTOR if network.detects else CLASSIFIER.format(name=network.name)
    (folder / "model.py").write_text(model)
    torch.manual_seed(0)
    module = Yolo() if network.detects else create(network.name, num_classes=CLASSES)
    samples = _samples(folder / "data/train", 64)
    _fit_statistics(module, samples)
    if isinstance(module, Yolo):
        _raise_scores(module, samples[:8])
    else:
        _fit_classes(module, samples, 32)
    state = {name: each.contiguous() for name, each in module.state_dict().items()}
    save_file(state, folder / "weights.safetensors")


def gratings(folder: Path, count: int, side: int, seed: int) -> None:
    """JPEGs of gratings in four directions with noise, a folder a class."""
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    for number in range(count):
        label = number % CLASSES
        angle = label * np.pi / CLASSES
        along = np.cos(angle) * x + np.sin(angle) * y
        wave = 128 + 80 * np.sin(60 * along + draw.uniform(0, 6.28))
        pixels = wave[..., None] + draw.normal(0, 20, (side, side, 3))
        place = folder / str(label) / f"{number:04}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(place, quality=90)


def drawn(folder: Path, count: int, side: int, seed: int) -> None:
    """JPEGs with ellipses and rectangles, and their boxes as YOLO's text."""
    draw = np.random.default_rng(seed)
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    (folder / "data.yaml").write_text("names: [ellipse, rectangle]\n")
    for number in range(count):
        noise = draw.integers(90, 160, (side // 8, side // 8, 3), np.uint8)
        image = Image.fromarray(noise).resize((side, side))
        pen, lines = ImageDraw.Draw(image), []
        for _ in range(draw.integers(1, 6)):
            wide, high = draw.integers(side // 10, side // 3, 2)
            left, top = draw.integers(0, side - wide), draw.integers(0, side - high)
            label = int(draw.integers(2))
            shape = (left, top, left + wide, top + high)
            (pen.ellipse, pen.rectangle)[label](shape, fill=_color(draw))
            center = (left + wide / 2) / side, (top + high / 2) / side
            values = (*center, wide / side, high / side)
            lines.append(" ".join([str(label), *(f"{one:.6f}" for one in values)]))
        image.save(folder / "images" / f"{number:04}.jpg", quality=90)
        (folder / "labels" / f"{number:04}.txt").write_text("\n".join(lines) + "\n")


def _color(draw: np.random.Generator) -> tuple[int, ...]:
    return tuple(int(one) for one in draw.integers(0, 256, 3))


def _samples(folder: Path, count: int) -> Tensor:
    paths = sorted(folder.rglob("*.jpg"), key=lambda path: path.name)[:count]
    pixels = np.stack([np.asarray(Image.open(path)) for path in paths])
    return (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - 0.5) / 0.25


@torch.no_grad()
def _fit_statistics(module: nn.Module, samples: Tensor) -> None:
    norms = [one for one in module.modules() if isinstance(one, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # the mean over all batches
        norm.reset_running_stats()
    module.train()
    for batch in samples.split(16):
        module(batch)
    module.eval()


@torch.no_grad()
def _fit_classes(module: nn.Module, samples: Tensor, batch: int) -> None:
    """Fit the last layer by ridge regression."""
    [*_, last] = [one for one in module.modules() if isinstance(one, nn.Linear)]
    features = _seen(module, last, samples.split(batch))
    labels = torch.arange(len(samples)) % CLASSES
    wide = torch.cat([features, torch.ones(len(features), 1)], dim=1).double()
    expected = 8 * torch.eye(CLASSES, dtype=torch.double)[labels] - 4
    least = wide @ wide.T + torch.eye(len(wide), dtype=torch.double)
    found = (wide.T @ torch.linalg.solve(least, expected)).float()
    last.weight.copy_(found[:-1].T)
    last.bias.copy_(found[-1])


def _seen(module: nn.Module, layer: nn.Module, batches: tuple[Tensor, ...]) -> Tensor:
    found: list[Tensor] = []
    keep: Callable[..., None] = lambda _module, given: found.append(given[0])  # noqa: E731
    handle = layer.register_forward_pre_hook(keep)
    for batch in batches:
        module(batch)
    handle.remove()
    return torch.cat(found)


@torch.no_grad()
def _raise_scores(module: Yolo, samples: Tensor) -> None:
    """Shift the scores so that one place in a hundred is over a half."""
    scores = module(samples)["scores"]
    shift = torch.quantile(scores.flatten()[:: max(1, scores.numel() // 10**6)], 0.99)
    for head in module.scores:
        last: Any = head.get_submodule("2")
        last.bias -= shift
