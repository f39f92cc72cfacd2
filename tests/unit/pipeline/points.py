"""A project of points in six dimensions, its network two linear layers."""

from __future__ import annotations

from pathlib import Path

from edgekit.devices.local import LocalDevice
from edgekit.pipeline.environment import Environment
from edgekit.progress import Silent
from edgekit.store import Store

MODEL = """
import torch
from torch import nn

def layers():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
"""
LOADER = """
import numpy as np

def data():
    draw = np.random.default_rng(0)
    y = draw.integers(0, 3, 60)
    return draw.normal(y[:, None], 1, (60, 6)).astype("f4"), y
"""
PROJECT = """
[model]
source = "model.py:layers"
input = { shape = [6] }
[data]
train = "loader.py:data"
test = "loader.py:data"
[data.preprocess]
scale = 1
[task]
kind = "classification"
[budget]
speedup = 2.0
[recipe.prune]
cost_provenance = "estimated"
[recipe.distill]
epochs = 1
"""


def write(folder: Path) -> Path:
    for name, text in (
        ("model.py", MODEL),
        ("loader.py", LOADER),
        ("edgekit.toml", PROJECT),
    ):
        (folder / name).write_text(text)
    return folder


def environment(root: Path) -> Environment:
    return Environment(device=LocalDevice(), store=Store(root), progress=Silent())
