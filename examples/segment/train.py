"""Train the teacher and write teacher.safetensors: `python train.py`.

Every epoch has new images of the training digits and photographs; a tenth as many, made apart,
select the epoch. The test images are looked at once, at the end.
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
from loader import TRAIN, Samples, images, test
from model import CLASSES, build
from safetensors.torch import save_file
from torch import nn

HERE = Path(__file__).parent
SEED = 0
BATCH = 32
PEAK_RATE = 4e-3


def read(samples: Samples) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (n, 3, 32, 32) and masks (n, 32, 32), preprocessed by edgekit.toml."""
    spec = tomllib.loads((HERE / "edgekit.toml").read_text())["data"]["preprocess"]
    pixels = torch.from_numpy(samples[0].astype(np.float32))
    x = (pixels / spec["scale"] - spec["mean"][0]) / spec["std"][0]
    return x, torch.from_numpy(samples[1].astype(np.int64))


@torch.no_grad()
def overlap(network: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    """Intersection over union, the mean over the classes."""
    network.eval()
    decided = torch.cat([network(part).argmax(1) for part in x.split(100)])
    fractions = []
    for number in range(CLASSES):
        ours, theirs = decided == number, y == number
        fractions.append((ours & theirs).sum().item() / (ours | theirs).sum().item())
    return sum(fractions) / len(fractions)


def fit(
    network: nn.Module, validation: tuple[torch.Tensor, torch.Tensor], epochs: int
) -> nn.Module:
    """The network of the epoch with the best overlap in validation; the last one of equals."""
    steps = math.ceil(TRAIN / BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), PEAK_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, PEAK_RATE, epochs * steps, pct_start=0.15
    )
    best, best_network = -1.0, network
    for epoch in range(1, epochs + 1):
        started = time.perf_counter()
        x, y = read(images("train", TRAIN, seed=SEED + 100 + epoch))
        network.train()
        for pixels, mask in zip(x.split(BATCH), y.split(BATCH), strict=True):
            loss = F.cross_entropy(network(pixels), mask)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        score = overlap(network, *validation)
        if score >= best:
            best, best_network = score, copy.deepcopy(network)
        seconds = time.perf_counter() - started
        print(f"epoch {epoch:3d}  validation {score:.2%}  {seconds:.1f} s", flush=True)
    return best_network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--output", type=Path, default=HERE / "teacher.safetensors")
    arguments = parser.parse_args()
    torch.manual_seed(SEED)
    validation = read(images("train", TRAIN // 10, seed=SEED + 100))
    network = fit(build(), validation, arguments.epochs)
    x, y = read(test())
    score = overlap(network, x, y)
    parameters = sum(p.numel() for p in network.parameters())
    save_file(network.state_dict(), arguments.output)
    print(f"test mean IoU {score:.2%} of {len(y)} images, {parameters:,} parameters")


if __name__ == "__main__":
    main()
