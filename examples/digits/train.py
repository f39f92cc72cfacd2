"""Train the teacher and write teacher.safetensors: `python train.py`.

A tenth of the training digits selects the epoch. The held-out digits are looked at once,
at the end.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
import tomllib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from loader import test, train
from model import build
from safetensors.torch import save_file
from sklearn.model_selection import train_test_split
from torch import nn

HERE = Path(__file__).parent
SEED = 0
BATCH = 64
PEAK_RATE = 0.1


def preprocessed(pixels: np.ndarray) -> torch.Tensor:
    """Preprocessing of a raw image in edgekit.toml."""
    spec = tomllib.loads((HERE / "edgekit.toml").read_text())["data"]["preprocess"]
    mean, std = (torch.tensor(spec[name])[:, None, None] for name in ("mean", "std"))
    return (torch.from_numpy(pixels) / spec["scale"] - mean) / std


def augmented(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Each image turned by up to 12 degrees, scaled by up to 10 % and moved by up to a pixel."""

    def uniform(limit: float) -> torch.Tensor:
        return (torch.rand(len(x), generator=generator) * 2 - 1) * limit

    angle, scale = uniform(math.radians(12)), 1 + uniform(0.1)
    cos, sin = scale * angle.cos(), scale * angle.sin()
    pixel = 2 / x.shape[-1]
    rows = (
        torch.stack([cos, -sin, uniform(pixel)], 1),
        torch.stack([sin, cos, uniform(pixel)], 1),
    )
    grid = F.affine_grid(torch.stack(rows, 1), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


@torch.no_grad()
def accuracy(network: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    network.eval()
    return (network(x).argmax(1) == y).float().mean().item()


def fit(
    network: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    validation: tuple[torch.Tensor, torch.Tensor],
    epochs: int,
) -> nn.Module:
    """The network of the epoch with the best validation accuracy; the last one of equals."""
    generator = torch.Generator().manual_seed(SEED)
    steps = math.ceil(len(x) / BATCH)
    optimizer = torch.optim.SGD(
        network.parameters(), PEAK_RATE, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, epochs * steps)
    best, best_network = -1.0, network
    for epoch in range(1, epochs + 1):
        network.train()
        started = time.perf_counter()
        for batch in torch.randperm(len(x), generator=generator).split(BATCH):
            logits = network(augmented(x[batch], generator))
            loss = F.cross_entropy(logits, y[batch], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        score = accuracy(network, *validation)
        if score >= best:
            best, best_network = score, copy.deepcopy(network)
        seconds = time.perf_counter() - started
        print(f"epoch {epoch:3d}  validation {score:.2%}  {seconds:.1f} s", flush=True)
    return best_network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--output", type=Path, default=HERE / "teacher.safetensors")
    arguments = parser.parse_args()
    torch.manual_seed(SEED)
    pixels, digits = train()
    fit_x, select_x, fit_y, select_y = train_test_split(
        pixels, digits, test_size=0.1, stratify=digits, random_state=SEED
    )
    network = fit(
        build(),
        preprocessed(fit_x),
        torch.from_numpy(fit_y),
        (preprocessed(select_x), torch.from_numpy(select_y)),
        arguments.epochs,
    )
    held_out, targets = test()
    score = accuracy(network, preprocessed(held_out), torch.from_numpy(targets))
    parameters = sum(p.numel() for p in network.parameters())
    save_file(network.state_dict(), arguments.output)
    print(f"held-out accuracy {score:.2%} of {len(targets)}, {parameters:,} parameters")


if __name__ == "__main__":
    main()
