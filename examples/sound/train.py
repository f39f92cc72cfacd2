"""Train the teacher and write teacher.safetensors: `python train.py`.

A fifth of the training recordings, of voices of their own, selects the epoch. The test recordings,
of yet other voices, are looked at once, at the end.
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
from loader import changed, recordings, test, validation
from model import build
from safetensors.torch import save_file
from torch import nn

HERE = Path(__file__).parent
SEED = 0
BATCH = 64
PEAK_RATE = 4e-3


def prepared(levels: np.ndarray) -> torch.Tensor:
    """Recordings (n, 24, 40), preprocessed by edgekit.toml."""
    spec = tomllib.loads((HERE / "edgekit.toml").read_text())["data"]["preprocess"]
    x = torch.from_numpy(levels.astype(np.float32))
    return (x / spec["scale"] - spec["mean"][0]) / spec["std"][0]


def numbered(words: np.ndarray) -> torch.Tensor:
    """Classes (n,), numbered by their sorted names."""
    return torch.from_numpy(np.unique(words, return_inverse=True)[1])


@torch.no_grad()
def accuracy(network: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    network.eval()
    return (network(x).argmax(1) == y).float().mean().item()


def fit(
    network: nn.Module,
    levels: np.ndarray,
    y: torch.Tensor,
    select: tuple[torch.Tensor, torch.Tensor],
    epochs: int,
) -> nn.Module:
    """The network of the epoch with the best validation accuracy; the last one of equals."""
    generator = torch.Generator().manual_seed(SEED)
    draw = np.random.default_rng(SEED)
    steps = math.ceil(len(y) / BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), PEAK_RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, epochs * steps)
    best, best_network = -1.0, network
    for epoch in range(1, epochs + 1):
        network.train()
        started = time.perf_counter()
        x = prepared(changed(levels, draw))
        for batch in torch.randperm(len(x), generator=generator).split(BATCH):
            loss = F.cross_entropy(network(x[batch]), y[batch], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        score = accuracy(network, *select)
        if score >= best:
            best, best_network = score, copy.deepcopy(network)
        seconds = time.perf_counter() - started
        print(f"epoch {epoch:3d}  validation {score:.2%}  {seconds:.1f} s", flush=True)
    return best_network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--output", type=Path, default=HERE / "teacher.safetensors")
    arguments = parser.parse_args()
    torch.manual_seed(SEED)
    levels, words = recordings()
    select_x, select_y = validation()
    network = fit(
        build(),
        levels,
        numbered(words),
        (prepared(select_x), numbered(select_y)),
        arguments.epochs,
    )
    held_out, targets = test()
    score = accuracy(network, prepared(held_out), numbered(targets))
    parameters = sum(p.numel() for p in network.parameters())
    save_file(network.state_dict(), arguments.output)
    print(f"test accuracy {score:.2%} of {len(targets)}, {parameters:,} parameters")


if __name__ == "__main__":
    main()
