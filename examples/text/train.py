"""Train the teacher and write teacher.safetensors: `python train.py`.

A tenth of the training texts selects the epoch. The test texts, other messages in the same
languages, are looked at once, at the end.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from model import LENGTH, build
from safetensors.torch import save_file
from sklearn.model_selection import train_test_split
from torch import nn

HERE = Path(__file__).parent
SEED = 0
BATCH = 64
PEAK_RATE = 3e-3


def read(part: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Bytes (n, 48) int64 and classes (n,), numbered by the languages' sorted names."""
    with np.load(HERE / f"{part}.npz") as archive:
        tokens = torch.from_numpy(archive["x"].astype(np.int64))
        _, classes = np.unique(archive["y"], return_inverse=True)
    return tokens, torch.from_numpy(classes)


def augmented(tokens: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Every second text begun later, at a byte drawn from its first third."""
    used = (tokens > 0).sum(1, keepdim=True)
    start = (torch.rand(used.shape, generator=generator) * used / 3).long()
    start *= torch.randint(2, used.shape, generator=generator)
    places = torch.arange(LENGTH) + start
    later = tokens.gather(1, places.clamp(max=LENGTH - 1))
    return later.masked_fill(places >= LENGTH, 0)


@torch.no_grad()
def accuracy(network: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    network.eval()
    decided = torch.cat([network(part).argmax(1) for part in x.split(256)])
    return (decided == y).float().mean().item()


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
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
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
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--output", type=Path, default=HERE / "teacher.safetensors")
    arguments = parser.parse_args()
    torch.manual_seed(SEED)
    x, y = read("train")
    fit_x, select_x, fit_y, select_y = train_test_split(
        x, y, test_size=0.1, stratify=y, random_state=SEED
    )
    network = fit(build(), fit_x, fit_y, (select_x, select_y), arguments.epochs)
    held_out, targets = read("test")
    score = accuracy(network, held_out, targets)
    parameters = sum(p.numel() for p in network.parameters())
    save_file(network.state_dict(), arguments.output)
    print(f"test accuracy {score:.2%} of {len(targets)}, {parameters:,} parameters")


if __name__ == "__main__":
    main()
