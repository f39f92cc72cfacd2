"""The networks of `benchmarks/quantization.py`, each as a project folder."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from benchmarks import cifar
from benchmarks.cifar import MEAN, STD
from edgekit.config import project
from edgekit.config.resources import shipped

ROOT = Path(__file__).parents[1]
TRAIN, TEST = 3000, 2000
EPOCHS = 12
SEED = 0
_FILE = """
[model]
source = "model.py:build"
weights = "weights.safetensors"
input = {{ shape = {shape} }}

[data]
train = "train.npz"
test = "test.npz"

[data.preprocess]
scale = {scale}
mean = {mean}
std = {std}
"""
_MODEL = """import sys

sys.path.insert(0, {root!r})

from {module} import {name} as build
"""


class Missing(Exception):
    """Weights or data that are not at hand."""


class ConvNeXtBlock(nn.Module):
    """A 7x7 depthwise convolution, layer norm, and a perceptron with GELU, beside a shortcut.

    Liu et al., 2022, arXiv:2201.03545.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 4 * width)
        self.project = nn.Linear(4 * width, width)
        self.scale = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.depthwise(x).permute(0, 2, 3, 1)
        y = self.project(nn.functional.gelu(self.expand(self.norm(y))))
        return x + (self.scale * y).permute(0, 3, 1, 2)


class ConvNeXt(nn.Module):
    """Digits (batch, 1, 8, 8) to logits (batch, 10)."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 1)
        self.fine = nn.Sequential(ConvNeXtBlock(width), ConvNeXtBlock(width))
        self.down = nn.Conv2d(width, 2 * width, 2, stride=2)
        self.coarse = nn.Sequential(ConvNeXtBlock(2 * width), ConvNeXtBlock(2 * width))
        self.norm = nn.LayerNorm(2 * width)
        self.head = nn.Linear(2 * width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.coarse(self.down(self.fine(self.stem(x))))
        return self.head(self.norm(x.mean((2, 3))))


def examples() -> tuple[str, ...]:
    """The examples whose trained weights are there."""
    found = []
    for file in sorted((ROOT / "examples").glob("*/edgekit.toml")):
        model = tomllib.loads(file.read_text(encoding="utf-8"))["model"]
        if (file.parent / model.get("weights", model["source"])).is_file():
            found.append(file.parent.name)
    return tuple(found)


EXAMPLES = examples()


def project_folder(name: str, scratch: Path, weights: Path, images: Path) -> Path:
    """A folder with an `edgekit.toml`, in `examples/` or made in `scratch`.

    Raises `Missing` where what it is made from is not at hand.
    """
    if name == "resnet20":
        return _resnet20(scratch, weights, images)
    if name == "convnext":
        return _convnext(scratch)
    if name not in EXAMPLES:
        raise Missing(f"no example '{name}' has weights; train it with its train.py")
    return ROOT / "examples" / name


def _resnet20(scratch: Path, weights: Path, images: Path) -> Path:
    for path in (weights, images):
        if not path.is_file():
            raise Missing(f"there is no {path}; name another with --weights, --images")
    folder = model_folder(scratch, "resnet20", "tests.zoo.vision", "ResNet20")
    (folder / "weights.safetensors").write_bytes(weights.read_bytes())
    return with_images(folder, images, TRAIN, TEST)


def with_images(folder: Path, images: Path, train: int, test: int) -> Path:
    """The folder with so many of the zipped images, and a project file for them."""
    for split, count in (("train", train), ("test", test)):
        read = cifar.read(images, split, count)
        pixels = ((read.pixels * STD + MEAN) * 255).round().to(torch.uint8)
        np.savez(folder / f"{split}.npz", x=pixels.numpy(), y=read.labels.numpy())
    mean, std = MEAN.flatten().tolist(), STD.flatten().tolist()
    return described(
        folder, shape=[3, 32, 32], scale=255, mean=_rounded(mean), std=_rounded(std)
    )


def _convnext(scratch: Path) -> Path:
    """Trained here: seconds, on the digits that come with scikit-learn."""
    folder = model_folder(
        scratch, "convnext", "benchmarks.quantization_networks", "ConvNeXt"
    )
    digits = project.load(shipped("examples/digits"))
    sys.path.insert(0, str(digits.root))
    import loader  # type: ignore[import-not-found]

    for split in ("train", "test"):
        x, y = getattr(loader, split)()
        np.savez(folder / f"{split}.npz", x=x, y=y)
    preprocess = digits.data.preprocess
    x, y = loader.train()
    pixels = torch.from_numpy(x / preprocess.scale - preprocess.mean[0])
    network = _trained(pixels.float() / preprocess.std[0], torch.from_numpy(y).long())
    save_file(network.state_dict(), folder / "weights.safetensors")
    return described(
        folder,
        shape=[1, 8, 8],
        scale=preprocess.scale,
        mean=list(preprocess.mean),
        std=list(preprocess.std),
    )


def _trained(pixels: torch.Tensor, digits: torch.Tensor) -> nn.Module:
    torch.manual_seed(SEED)
    network = ConvNeXt()
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=0.05)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(pixels)).split(64):
            loss = nn.functional.cross_entropy(network(pixels[batch]), digits[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network.eval()


def model_folder(scratch: Path, name: str, module: str, build: str) -> Path:
    """A folder whose `model.py` builds a class of a module of this checkout."""
    folder = scratch / name
    folder.mkdir()
    text = _MODEL.format(root=str(ROOT), module=module, name=build)
    (folder / "model.py").write_text(text, encoding="utf-8")
    return folder


def described(folder: Path, **facts: object) -> Path:
    """The folder with a project file for arrays of images."""
    text = _FILE.format(**facts)
    (folder / "edgekit.toml").write_text(text, encoding="utf-8")
    return folder


def _rounded(values: list[float]) -> list[float]:
    return [round(value, 6) for value in values]
