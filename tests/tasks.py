"""Tiny projects of other tasks than image classes: each a network, its data and its toml."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from edgekit import data
from edgekit.config.project import load

SIZE, TOKENS, VOCABULARY = 16, 12, 20

UNET = """\
import torch
from torch import nn


def unit(before, after, stride=1):
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()
    )


class UNet(nn.Module):
    def __init__(self, width=24, classes=3):
        super().__init__()
        self.early = nn.Sequential(unit(1, width), unit(width, width))
        self.deep = nn.Sequential(unit(width, 2 * width, 2), unit(2 * width, 2 * width))
        self.late = unit(3 * width, width)
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x):
        early = self.early(x)
        deep = nn.functional.interpolate(self.deep(early), scale_factor=2.0)
        return self.head(self.late(torch.cat([early, deep], 1)))


def build():
    return UNet()
"""

MEASURE = """\
from torch import nn


def build():
    return nn.Sequential(
        nn.Linear(8, 96), nn.ReLU(), nn.Linear(96, 96), nn.ReLU(), nn.Linear(96, 2)
    )
"""

TOML = """\
[model]
source  = "model.py:build"
weights = "weights.safetensors"
input   = {{ shape = {shape}{dtype} }}

[data]
train = "{train}"
test  = "{test}"
{preprocess}
[task]
kind = "{kind}"
{task}
[budget]
mmacs         = {mmacs}                     # no timing decides
accuracy_drop = {drop}

[recipe.prune]
cost_provenance = "estimated"
rounds = 1

[recipe.distill]
epochs = 3
{recipe}
[recipe.export]
runtimes = ["{runtime}"]
{precisions}
{export}
[recipe.bench]
runtime_options_s = 0
"""
PLAIN = "[data.preprocess]\nscale = 1"
Loss = Callable[[Tensor, Tensor], Tensor]
Samples = Callable[[int, int], tuple[np.ndarray, np.ndarray | None]]


def write_toml(  # noqa: PLR0913 (one value a line of the file)
    root: Path,
    *,
    kind: str,
    shape: list[int],
    mmacs: float,
    drop: float,
    task: str = "",
    runtime: str = "litert",
    recipe: str = "",
    dtype: str | None = None,
    preprocess: str = PLAIN,
    data: tuple[str, str] = ("train.npz", "test.npz"),
    precision: str | None = None,
    export: str = "",
) -> None:
    """The project file of a network and arrays that lie in `root`; `export` are lines of
    `[recipe.export]`."""
    text = TOML.format(
        shape=shape,
        dtype="" if dtype is None else f', dtype = "{dtype}"',
        train=data[0],
        test=data[1],
        preprocess="" if dtype else preprocess,
        kind=kind,
        runtime=runtime,
        mmacs=mmacs,
        task=task,
        drop=drop,
        recipe=recipe,
        precisions="" if precision is None else f'precisions = ["{precision}"]',
        export=export,
    )
    (root / "edgekit.toml").write_text(text)


def shapes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy pictures (n, size, size) with a disc and a box, and each pixel's class."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE]
    pictures = generator.normal(60, 20, (count, SIZE, SIZE))
    masks = np.zeros((count, SIZE, SIZE), np.uint8)
    for picture, mask in zip(pictures, masks, strict=True):
        for kind, light in ((1, 90), (2, 150)):
            top, left = generator.uniform(3, SIZE - 3, 2)
            far = np.hypot(y - top, x - left), np.maximum(abs(y - top), abs(x - left))
            inside = far[kind - 1] < generator.uniform(2.5, 4)
            picture[inside] += light
            mask[inside] = kind
    return pictures.clip(0, 255).astype(np.uint8), masks


def gauges(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Values (n, 8), and two that follow from them; one is not always known."""
    x = np.random.default_rng(seed).normal(size=(count, 8)).astype(np.float32)
    y = np.stack([x[:, :4].sum(1), np.abs(x[:, 4:]).sum(1)], 1).astype(np.float32)
    y[::7, 1] = np.nan
    return x, y


def write_segmentation(root: Path, network: str = UNET, task: str = "") -> Path:
    """A small U-Net on a folder of images beside a folder of masks; its files take bytes with
    channels last and answer with class numbers."""
    for part, count, seed in (("train", 160, 1), ("test", 60, 2)):
        for place in ("images", "masks"):
            (root / part / place).mkdir(parents=True)
        for number, (picture, mask) in enumerate(
            zip(*shapes(count, seed), strict=True)
        ):
            Image.fromarray(picture).save(root / part / f"images/{number:03}.png")
            Image.fromarray(mask).save(root / part / f"masks/{number:03}.png")
    (root / "model.py").write_text(network)
    write_toml(
        root,
        kind="segmentation",
        shape=[1, SIZE, SIZE],
        preprocess="[data.preprocess]\nmean = [0.4]\nstd = [0.3]",
        mmacs=5,
        task=f'classes = ["ground", "disc", "box"]\n{task}',
        drop=0.1,
        data=("train", "test"),
        export='litert_layout = "nhwc"\nfold_preprocessing = "uint8"\n'
        'fold_postprocessing = "argmax"\n',
    )
    train(root, _loss)
    return root


def write_named_segmentation(root: Path) -> Path:
    """The same network with a second head, in a dictionary as torchvision's segmenters return."""
    network = UNET.replace(
        "        self.head = nn.Conv2d(width, classes, 1)\n",
        "        self.head = nn.Conv2d(width, classes, 1)\n"
        "        self.second = nn.Conv2d(2 * width, classes, 1)\n",
    ).replace(
        "        return self.head(self.late(torch.cat([early, deep], 1)))\n",
        '        return {"aux": self.second(deep),\n'
        '                "out": self.head(self.late(torch.cat([early, deep], 1)))}\n',
    )
    return write_segmentation(root, network, 'output = "out"')


def write_regression(root: Path, precision: str | None = None) -> Path:
    """Two values from eight, one of them not always known."""
    arrays(root, gauges, (600, 200))
    (root / "model.py").write_text(MEASURE)
    write_toml(
        root,
        kind="regression",
        shape=[8],
        runtime="onnxruntime",
        mmacs=0.007,
        precision=precision,
        drop=0.5,
        recipe='optimizer = "adamw"',
    )
    train(root, _loss)
    return root


def arrays(root: Path, make: Samples, counts: tuple[int, int]) -> None:
    """Training and test samples; targets may be `None`."""
    root.mkdir(exist_ok=True)
    for seed, (part, count) in enumerate(zip(("train", "test"), counts, strict=True)):
        named = zip("xy", make(count, seed), strict=True)
        given = {name: array for name, array in named if array is not None}
        np.savez(root / f"{part}.npz", **given)


def train(root: Path, loss: Loss, epochs: int = 12) -> None:
    """Teach the network its labels for long enough that a loss would show.

    Steps that fall to nothing end at the same score, however kernels round.
    """
    network = built(root)
    x, y = _samples(root, "train")
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        for chosen in torch.randperm(len(x)).split(40):
            optimizer.zero_grad()
            loss(network(x[chosen]), y[chosen]).backward()
            optimizer.step()
        falling.step()
    save_file(network.state_dict(), root / "weights.safetensors")


def _samples(root: Path, part: str) -> tuple[Tensor, Tensor]:
    """All inputs, prepared, and all labels of the training or the test data."""
    project = load(root)
    assert project.model.input is not None
    samples = data.load(
        getattr(project.data, part),
        root=root,
        input=project.model.input,
        preprocess=project.data.preprocess,
        kind=project.task.kind,
    )
    x, y = map(torch.from_numpy, samples.arrays())
    return x, y


def built(root: Path) -> nn.Module:
    """The network of a project, its weights random."""
    namespace: dict[str, Any] = {}
    exec((root / "model.py").read_text(), namespace)
    torch.manual_seed(0)
    network: nn.Module = namespace["build"]()
    return network


def _loss(outputs: Tensor | dict[str, Tensor], targets: Tensor) -> Tensor:
    if isinstance(outputs, dict):
        return sum((_loss(each, targets) for each in outputs.values()), torch.zeros(()))
    if targets.is_floating_point():
        known = ~targets.isnan()
        return nn.functional.mse_loss(outputs[known], targets[known])
    return nn.functional.cross_entropy(outputs, targets)


DEPTHWISE = """\
from torch import nn


def unit(before, after, size, groups=1):
    return nn.Sequential(
        nn.Conv2d(before, after, size, 1, size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    )


class Net(nn.Module):
    def __init__(self, width=16, depth=4):
        super().__init__()
        self.stem = unit(1, width, 3)
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(unit(width, width, 3, width), unit(width, width, 1))
                for _ in range(depth)
            )
        )
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


def build():
    return Net()
"""


WIDE = 3000.0
"""Scale of wide channels: 255 steps of int8 over them leave the others none."""
LOST = 0.10
"""Fraction of the test samples that is wrong where the narrow channels are constant, about."""


def write_unbalanced(root: Path) -> Path:
    """A depthwise network on handwritten digits, one scale of int8 a tensor too few for it.

    After it has learned, all but a few channels of one tensor are made `WIDE` times as large, and
    the depthwise layer that reads them as much smaller: the network is what it was, but int8 has
    nothing left of the few. These are chosen so that without them about `LOST` is wrong, whatever
    was learned: more than the budget allows, less than what counts as a broken file. The student
    is the network itself: a cut could take the few, and training in float at this size of
    weights could move anything.
    """
    from sklearn.datasets import load_digits

    root.mkdir(exist_ok=True)
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    for part, chosen in (("train", order[:1400]), ("test", order[1400:])):
        x = digits.images[chosen][:, None].astype(np.float32)
        np.savez(root / f"{part}.npz", x=x, y=digits.target[chosen])
    (root / "model.py").write_text(DEPTHWISE)
    write_toml(
        root,
        kind="classification",
        shape=[1, 8, 8],
        preprocess="[data.preprocess]\nscale = 16\nmean = [0.3]\nstd = [0.4]",
        mmacs=1,
        drop=0.025,
        recipe='student = { source = "model.py:build", weights = "weights.safetensors" }\n'
        "learning_rate = 1e-9\n[recipe.quantize]\nrecover = false\nqat_epochs = 3\n",
    )
    train(root, _loss)
    network = built(root)
    network.load_state_dict(load_file(root / "weights.safetensors"))
    _widen(network, _telling(root, network.eval()))
    save_file(network.state_dict(), root / "weights.safetensors")
    return root


@torch.no_grad()
def _telling(root: Path, network: nn.Module) -> list[int]:
    """The two channels into the last block without which what is right of the test samples falls
    by what is nearest to `LOST`."""
    x, y = _samples(root, "test")

    def right() -> float:
        return float((network(x).argmax(1) == y).double().mean())

    whole, found = right(), []
    for few in combinations(range(network.head.in_features), 2):
        silenced = network.blocks[-2].register_forward_hook(partial(_silence, few))
        found.append((abs(whole - right() - LOST), list(few)))
        silenced.remove()
    least, few = min(found)
    assert least < 0.03
    return few


def _silence(few: Sequence[int], _: nn.Module, __: object, made: Tensor) -> Tensor:
    made = made.clone()
    made[:, few] = 0
    return made


@torch.no_grad()
def _widen(network: nn.Module, few: list[int]) -> None:
    """All channels into the last block but a few, and what reads them narrower by the same."""
    norm, reader = network.blocks[-2][1][1], network.blocks[-1][0][0]
    size = torch.full((len(norm.weight),), WIDE)
    size[few] = 1
    norm.weight.mul_(size)
    norm.bias.mul_(size)
    reader.weight.div_(size.reshape(-1, 1, 1, 1))
