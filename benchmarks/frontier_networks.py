"""The networks of `benchmarks/latency_frontier.py`: a project folder each, and what is cut from it.

Examples come with their trained networks, the ConvNeXt is trained in seconds, a ResNet-20 has
weights that an option names. The ResNet-56 and the MobileNetV2-like network are trained on the
images first, once, and kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from benchmarks import cifar
from benchmarks.quantization_networks import (
    Missing,
    model_folder,
    project_folder,
    with_images,
)
from edgekit.config import project, user_code
from edgekit.config.project import Project
from edgekit.errors import ModelError
from edgekit.scratch import folder as scratch_folder
from edgekit.sources.torch import weights
from edgekit.types import RuntimeName
from tests.zoo.vision import CifarBlock, ResNet20

TRAIN, TEST = 5000, 2000
"""Images of the CIFAR-10 copy: a fifth of the first are for validation."""
TEACHER_IMAGES, TEACHER_BATCH = 20000, 128
ROOT = Path(__file__).parents[1]
LITERT: tuple[RuntimeName, ...] = ("litert", "onnxruntime")
_CIFAR = (
    *("recipe.distill.learning_rate=0.02", 'recipe.distill.augment="shift-flip"'),
    *('recipe.distill.precision="bf16"', "recipe.distill.validation_fraction=0.2"),
)
"""bf16 where a processor has its instructions: a step of the ResNet-20 with 128 images takes 0.26 s
on one core of an EPYC with AVX512-BF16, and 0.41 s in fp32."""


class ResNet56(ResNet20):
    """ResNet-56 for CIFAR (He et al., 2016, option A): nine blocks a stage."""

    @staticmethod
    def _stage(before: int, after: int) -> nn.Sequential:
        more = (CifarBlock(after, after) for _ in range(8))
        return nn.Sequential(CifarBlock(before, after), *more)


class Inverted(nn.Module):
    """Expand, filter each channel alone, project (Sandler et al., 2018, arXiv:1801.04381)."""

    def __init__(self, before: int, after: int, expansion: int, stride: int) -> None:
        super().__init__()
        hidden = before * expansion
        self.expand = nn.Conv2d(before, hidden, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(hidden)
        self.depthwise = nn.Conv2d(
            hidden, hidden, 3, stride, 1, groups=hidden, bias=False
        )
        self.bn2 = nn.BatchNorm2d(hidden)
        self.project = nn.Conv2d(hidden, after, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(after)
        self.shortcut = stride == 1 and before == after

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu6(self.bn1(self.expand(x)))
        y = self.bn3(self.project(F.relu6(self.bn2(self.depthwise(y)))))
        return x + y if self.shortcut else y


class MobileNet(nn.Module):
    """A small MobileNetV2 for images (batch, 3, 32, 32), to logits (batch, 10)."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 24, 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(24)
        stages = ((24, 2, 1), (40, 3, 2), (80, 3, 2))
        blocks, before = [], 24
        for after, count, stride in stages:
            for number in range(count):
                step = stride if number == 0 else 1
                blocks.append(Inverted(before, after, 4, step))
                before = after
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(before, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.blocks(F.relu6(self.bn(self.stem(x))))
        return self.head(x.mean((2, 3)))


@dataclass(frozen=True, kw_only=True)
class Network:
    """One network, the points that it is cut to, and the recovery that all methods get."""

    name: str
    targets: tuple[RuntimeName, ...] = LITERT
    speedups: tuple[float, ...] = (1.5, 2.2)
    """Beyond the unpruned network in the precision that EdgeKit plans in, where no peer was
    timed yet; else as many up to the speed of the peers' files (`frontier_show.speedups`)."""
    ratios: tuple[float, ...] = (0.25, 0.5, 0.7)
    """Global pruning ratios of Torch-Pruning. The last ones, here and below, bound what can be
    compared: plans that are as inaccurate as these."""
    fractions: tuple[float, ...] = (0.75, 0.5, 0.35)
    """Of every width, for uniform width."""
    depths: tuple[float, ...] = (0.67, 0.34)
    """Of the residual blocks, for uniform depth; networks without blocks have no such rows."""
    prunable: tuple[str, ...] = ()
    """Layers that Torch-Pruning may cut, by the end of their names; all but the last where
    empty. It fails on the others of these networks (measured, see RESULTS.md)."""
    nas: bool = False
    """True where ModelOpt's FastNAS takes the network."""
    epochs: int
    settings: tuple[str, ...] = ()
    make: Callable[[Places, Path], Path] | None = None
    """Makes the project folder in another; `None` where `quantization_networks` has it."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where the data and weights are that the repository does not hold."""

    images: Path
    weights: Path
    resnet56: Path
    cache: Path
    teacher_epochs: int = 8


def _trained_on_images(places: Places, folder: Path, network: nn.Module) -> None:
    """Train by labels on the images that no row is judged by, and keep the weights."""
    images = cifar.read(places.images, "train", TEACHER_IMAGES)
    optimizer = torch.optim.SGD(
        network.parameters(), 0.05, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    steps = places.teacher_epochs * -(-TEACHER_IMAGES // TEACHER_BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.05, total_steps=steps)
    network.train()
    for epoch in range(places.teacher_epochs):
        for pixels, labels in images.augmented(TEACHER_BATCH, epoch):
            with torch.autocast("cpu", torch.bfloat16):
                outputs = network(pixels.contiguous(memory_format=torch.channels_last))
            loss = F.cross_entropy(outputs.float(), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch + 1}: loss {float(loss):.3f}", flush=True)
    save_file(network.state_dict(), folder / "weights.safetensors")


def _resnet20(places: Places, folder: Path) -> Path:
    found = model_folder(folder, "resnet20", "tests.zoo.vision", "ResNet20")
    _require(places.weights, "--weights")
    (found / "weights.safetensors").write_bytes(places.weights.read_bytes())
    return with_images(found, places.images, TRAIN, TEST)


def _resnet56(places: Places, folder: Path) -> Path:
    """Public weights, trained on for a few epochs: the copy's images are lossy."""
    found = model_folder(folder, "resnet56", "benchmarks.frontier_networks", "ResNet56")
    _require(places.resnet56, "--resnet56")
    stored = torch.load(places.resnet56, map_location="cpu", weights_only=True)
    network = ResNet56()
    network.load_state_dict(
        {k.removeprefix("module."): v for k, v in stored["state_dict"].items()}
    )
    _trained_on_images(places, found, network)
    return with_images(found, places.images, TRAIN, TEST)


def _mobilenet(places: Places, folder: Path) -> Path:
    found = model_folder(
        folder, "mobilenet", "benchmarks.frontier_networks", "MobileNet"
    )
    torch.manual_seed(0)
    _trained_on_images(places, found, MobileNet())
    return with_images(found, places.images, TRAIN, TEST)


def _require(path: Path, option: str) -> None:
    if not path.is_file():
        raise Missing(f"there is no {path}; name another with {option}")


NETWORKS = {
    one.name: one
    for one in (
        Network(name="sound", epochs=4),
        Network(name="segment", epochs=2),
        Network(name="text", epochs=2, prunable=("wide",)),
        Network(
            name="convnext", epochs=10, settings=('recipe.distill.optimizer="adamw"',)
        ),
        Network(
            name="resnet20",
            targets=("litert", "onnxruntime", "openvino"),
            speedups=(1.5, 2.2, 3.0),
            ratios=(0.2, 0.5, 0.7),
            prunable=("0.conv1", "1.conv1", "2.conv1"),
            nas=True,
            epochs=2,
            settings=_CIFAR,
            make=_resnet20,
        ),
        Network(name="mobilenet", epochs=2, settings=_CIFAR, make=_mobilenet),
        Network(
            name="resnet56",
            prunable=tuple(f"{number}.conv1" for number in range(9)),
            nas=True,
            epochs=2,
            settings=_CIFAR,
            make=_resnet56,
        ),
    )
}


def project_of(network: Network, places: Places) -> Project:
    """The project of a network with the recovery of all methods; its folder is made once.

    Raises `Missing` for data and weights that are not at hand.
    """
    root = ROOT / "examples" / network.name
    if not root.is_dir():
        root = places.cache / "projects" / network.name
        if not root.is_dir():
            _make(network, places, root)
    settings = (
        f"recipe.distill.epochs={network.epochs}",
        "recipe.distill.losses={}",
        *network.settings,
    )
    return project.load(root).with_settings(settings)


def _make(network: Network, places: Places, root: Path) -> None:
    root.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(root.parent) as folder:
        if network.make is not None:
            _require(places.images, "--data")
            made = network.make(places, folder)
        else:
            made = project_folder(network.name, folder, places.weights, places.images)
        made.rename(root)


def module_of(one: Project) -> nn.Module:
    """The author's own module of a project, trained, in evaluation mode: what peers cut."""
    function = user_code.locate(one.model.source, one.root, ModelError)
    module: nn.Module = function.call()
    assert one.model.weights is not None
    weights.apply(module, one.model.weights, one.root)
    return module.eval()
