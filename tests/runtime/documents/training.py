"""A moment of training for the networks of a page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from edgekit import data
from edgekit.types import InputSpec, Preprocess


def fit(net: nn.Module, x: Tensor, y: Tensor, steps: int = 40) -> None:
    """Train a classifier for a moment."""
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    net.train()
    for step in range(steps):
        chosen = torch.randperm(len(x), generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x[chosen[:64]]), y[chosen[:64]]).backward()
        optimizer.step()
    net.eval()


def train(net: nn.Module) -> None:
    """Train a network of a page on the data that its reader has in this folder."""
    if Path("train.npz").exists():
        with np.load("train.npz") as arrays:
            x, y = arrays["x"], arrays["y"]
    else:
        how = Preprocess(mean=(0.5,) * 3, std=(0.25,) * 3)
        spec = InputSpec(shape=(3, 32, 32))
        x, y = data.load("data/train", root=Path(), input=spec, preprocess=how).arrays()
    fit(net, torch.from_numpy(x), torch.from_numpy(y), 60)
