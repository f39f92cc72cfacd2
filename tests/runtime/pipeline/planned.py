"""A project that is planned for two targets, by the command.

The widths are those of several tiles of any processor's kernels: half of them is faster anywhere.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from edgekit.cli import app

MODEL = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 64, 3, padding=1)
        self.second = nn.Conv2d(64, 64, 3, padding=1)
        self.features = nn.Linear(64, 12)
        self.head = nn.Linear(12, 3)

    def forward(self, x):
        x = self.second(self.first(x).relu()).relu().mean((2, 3))
        return self.head(self.features(x).sort(dim=1).values)


def build():
    torch.manual_seed(0)
    return Net()
"""
TARGETS = ("raspberrypi4", "jetson-orin-nano")


def plan(folder: Path, *arguments: str) -> Any:
    targets = [word for name in TARGETS for word in ("--target", name)]
    page = str(folder / "out/plan.html")
    asked = ["plan", *targets, "--project", str(folder), "-o", page, *arguments]
    return CliRunner().invoke(app, asked)


def write_project(own_project: Path, folder: Path) -> None:
    """The user's data, a network of its own with an operator that nothing can be cut through."""
    shutil.copytree(own_project, folder)
    (folder / "model.py").write_text(MODEL)
    toml = (folder / "edgekit.toml").read_text()
    toml = toml.replace('weights = "weights.safetensors"\n', "")
    (folder / "edgekit.toml").write_text(toml)
