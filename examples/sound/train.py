"""Train the teacher and write teacher.safetensors: `python train.py`.

A tenth of the training recordings selects the epoch. The test recordings, of other voices, are
looked at once, at the end.
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
from model import build
from safetensors.torch import save_file
from sklearn.model_selection import train_test_split
from torch import nn

HERE = Path(__file__).parent
SEED = 0
BATCH = 64
PEAK_RATE = 4e-3


def read(part: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Preprocessed spectra (n, 24, 40) and classes (n,), numbered by their sorted names."""
    spec = tomllib.loads((HERE / "edgekit.toml").read_text())["data"]["preprocess"]
    with np.load(HERE / f"{part}.npz") as archive:
        levels = torch.from_numpy(archive["x"].astype(np.float32))
        _, classes = np.unique(archive["y"], return_inverse=True)
    x = (levels / spec["scale"] - spec["mean"][0]) / spec["std"][0]
    return x, torch.from_numpy(classes)


def augmented(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Each recording moved in time, louder or softer, with some frames and bands taken away."""
    n, bands, frames = x.shape

    def whole(limit: int) -> torch.Tensor:
        return torch.randint(limit, (n, 1), generator=generator)

    places = torch.arange(frames) + whole(9) - 4
    x = x.gather(2, places.clamp(0, frames - 1)[:, None].expand(-1, bands, -1))
    x = x + 0.3 * torch.randn(n, 1, 1, generator=generator)
    x = x + 0.15 * torch.randn(x.shape, generator=generator)
    for dim, size, widest in ((1, bands, 7), (2, frames, 9)):
        first, width = whole(size), whole(widest)
        gone = (torch.arange(size) >= first) & (torch.arange(size) < first + width)
        x = x.masked_fill(gone.unsqueeze(3 - dim), 0.0)
    return x


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
    optimizer = torch.optim.AdamW(network.parameters(), PEAK_RATE, weight_decay=0.05)
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
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--output", type=Path, default=HERE / "teacher.safetensors")
    arguments = parser.parse_args()
    torch.manual_seed(SEED)
    x, y = read("train")
    fit_x, select_x, fit_y, select_y = train_test_split(
        x, y, test_size=0.1, stratify=y, random_state=SEED
    )
    network = fit(build(), fit_x, fit_y, (select_x, select_y), arguments.epochs)
    held_out, truth = read("test")
    score = accuracy(network, held_out, truth)
    parameters = sum(p.numel() for p in network.parameters())
    save_file(network.state_dict(), arguments.output)
    print(f"test accuracy {score:.2%} of {len(truth)}, {parameters:,} parameters")


if __name__ == "__main__":
    main()
