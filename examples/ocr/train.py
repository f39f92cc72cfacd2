"""Train the teacher and write teacher.safetensors: `python train.py`.

Every epoch has new lines of the training digits. Lines made apart select the epoch; the test lines
are looked at once, at the end.
"""

from __future__ import annotations

import argparse
import copy
import time
import tomllib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from loader import test, train
from model import build
from safetensors.torch import save_file
from torch import nn

from edgekit.tasks.sequence_recognition import symbol_error_rate

HERE = Path(__file__).parent
SEED = 0
BATCH = 64
PEAK_RATE = 3e-3
LINES = 3000
"""New ones in each epoch."""
APART = 10_000
"""Seeds of lines that select the epoch begin here."""


def preprocessed(pixels: np.ndarray) -> torch.Tensor:
    """Preprocessing of a raw line in edgekit.toml."""
    spec = tomllib.loads((HERE / "edgekit.toml").read_text())["data"]["preprocess"]
    return (torch.from_numpy(pixels) / spec["scale"] - spec["mean"][0]) / spec["std"][0]


def loss_of(network: nn.Module, x: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    logits = network(x).log_softmax(2).transpose(0, 1)
    lengths = (classes >= 0).sum(1)
    frames = torch.full((len(x),), len(logits))
    return F.ctc_loss(logits, classes.clamp(min=0), frames, lengths)


@torch.no_grad()
def error_rate(network: nn.Module, pixels: np.ndarray, classes: np.ndarray) -> float:
    network.eval()
    return symbol_error_rate(network(preprocessed(pixels)).numpy(), classes).value


def fit(network: nn.Module, epochs: int) -> nn.Module:
    """The network of the epoch with the lowest error rate on lines made apart."""
    apart = train(1000, seed=APART)
    steps = -(-LINES // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), PEAK_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, PEAK_RATE, total_steps=epochs * steps
    )
    best, best_network = float("inf"), network
    for epoch in range(1, epochs + 1):
        network.train()
        started = time.perf_counter()
        pixels, classes = train(LINES, seed=APART + epoch)
        lines = preprocessed(pixels).split(BATCH)
        for x, y in zip(lines, torch.from_numpy(classes).split(BATCH), strict=True):
            loss = loss_of(network, x, y)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            schedule.step()
        found = error_rate(network, *apart)
        if found <= best:
            best, best_network = found, copy.deepcopy(network)
        seconds = time.perf_counter() - started
        print(f"epoch {epoch:3d}  error rate {found:.2%}  {seconds:.1f} s", flush=True)
    return best_network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--output", type=Path, default=HERE / "teacher.safetensors")
    arguments = parser.parse_args()
    torch.manual_seed(SEED)
    network = fit(build(), arguments.epochs)
    held_out, classes = test()
    found = error_rate(network, held_out, classes)
    parameters = sum(p.numel() for p in network.parameters())
    save_file(network.state_dict(), arguments.output)
    print(
        f"test symbol error rate {found:.2%} of {len(classes)} lines, "
        f"{parameters:,} parameters"
    )


if __name__ == "__main__":
    main()
