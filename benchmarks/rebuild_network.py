"""A small network of inverted residuals for 224 x 224 pixels, with its data: for `rebuild`.

Its body is random, its last layer fitted by least squares to four kinds of gratings: it is right
about them without any training.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from edgekit.config.user_code import locate
from edgekit.errors import UsageError

BUDGET, OTHER_BUDGET = "mmacs = 28", "mmacs = 31"
MODEL = '''\
"""Inverted residuals as in MobileNetV2 (Sandler et al., 2018), a third as wide."""

import torch
from torch import nn

WIDTHS = ((1, 8, 1), (4, 16, 2), (4, 16, 1), (4, 24, 2), (4, 24, 1), (4, 48, 2), (4, 48, 1),
          (4, 96, 2))


def convolution(before, after, size, stride=1, groups=1):
    return nn.Sequential(
        nn.Conv2d(before, after, size, stride, size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(after),
    )


class Block(nn.Module):
    def __init__(self, before, after, factor, stride):
        super().__init__()
        inner = before * factor
        self.skips = stride == 1 and before == after
        self.body = nn.Sequential(
            convolution(before, inner, 1), nn.ReLU6(),
            convolution(inner, inner, 3, stride, inner), nn.ReLU6(),
            convolution(inner, after, 1),
        )

    def forward(self, x):
        return x + self.body(x) if self.skips else self.body(x)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        layers, before = [convolution(3, 8, 3, 2), nn.ReLU6()], 8
        for factor, after, stride in WIDTHS:
            layers.append(Block(before, after, factor, stride))
            before = after
        self.features = nn.Sequential(*layers, convolution(before, 256, 1), nn.ReLU6())
        self.head = nn.Linear(256, 4)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))


def build():
    torch.manual_seed(0)
    return Net()
'''
LOADER = '''\
"""Gratings in four directions, with noise."""

import numpy as np

SIZE = 224


def images(count, seed):
    draw = np.random.default_rng(seed)
    labels = np.arange(count) % 4
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    angle = labels * np.pi / 4
    phase = draw.uniform(0, 6.28, count)
    along = np.cos(angle)[:, None, None] * x + np.sin(angle)[:, None, None] * y
    wave = 128 + 80 * np.sin(60 * along + phase[:, None, None])
    noisy = wave[:, None] + draw.normal(0, 20, (count, 3, SIZE, SIZE))
    return noisy.clip(0, 255).astype(np.uint8), labels


def train():
    return images(96, 1)


def test():
    return images(64, 2)
'''
PROJECT = f"""\
[model]
source = "model.py:build"
weights = "weights.safetensors"
input = {{ shape = [3, 224, 224] }}

[data]
train = "loader.py:train"
test = "loader.py:test"

[data.preprocess]
scale = 255
mean = [0.5, 0.5, 0.5]
std = [0.25, 0.25, 0.25]

[task]
kind = "classification"

[budget]
{BUDGET}

[recipe.distill]
epochs = 1

[recipe.prune]
rounds = 1
"""


def write(folder: Path) -> None:
    """Write the project with its weights into a new folder."""
    folder.mkdir(parents=True)
    for name, text in (
        ("model.py", MODEL),
        ("loader.py", LOADER),
        ("edgekit.toml", PROJECT),
    ):
        (folder / name).write_text(text)
    save_file(_fitted(folder), folder / "weights.safetensors")


def _fitted(folder: Path) -> dict[str, torch.Tensor]:
    """The weights, with statistics of batch norm and a last layer that fit the data."""
    network, (samples, labels) = (
        locate(reference, folder, UsageError).call()
        for reference in ("model.py:build", "loader.py:train")
    )
    inputs = (torch.from_numpy(samples).float() / 255 - 0.5) / 0.25
    with torch.no_grad():
        network.train()
        for _ in range(10):
            network.features(inputs[:16])
        network.eval()
        features = network.features(inputs).mean((2, 3))
        wide = torch.cat([features, torch.ones(len(features), 1)], dim=1).double()
        expected = 8 * torch.from_numpy(np.eye(4)[labels]) - 4
        least = wide.T @ wide + 1e-3 * torch.eye(wide.shape[1], dtype=torch.double)
        found = torch.linalg.solve(least, wide.T @ expected).float()
        network.head.weight.copy_(found[:-1].T)
        network.head.bias.copy_(found[-1])
    return {name: value.contiguous() for name, value in network.state_dict().items()}


if __name__ == "__main__":
    write(Path(sys.argv[1]))
