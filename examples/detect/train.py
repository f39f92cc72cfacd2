"""Train the teacher and write teacher.safetensors: `python train.py` (5 minutes of an idle core).

The test images are looked at once, at the end.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import torch
from loss import loss
from model import build
from safetensors.torch import save_file
from torch import Tensor, nn

from edgekit.config import project
from edgekit.data import Dataset, load
from edgekit.data.metrics import named
from edgekit.distill.augment import augment, draw, moved_boxes

HERE = Path(__file__).parent
SEED = 0
BATCH = 8
PEAK_RATE = 2e-3
EXAMPLE = project.load(HERE)


def read(place: str) -> Dataset:
    """Images and boxes as edgekit.toml has them."""
    spec = EXAMPLE.model.input
    assert spec is not None
    return load(
        place,
        root=HERE,
        input=spec,
        preprocess=EXAMPLE.data.preprocess,
        kind=EXAMPLE.task.kind,
    )


def joined(network: nn.Module, x: Tensor) -> Tensor:
    found = network(x)
    return torch.cat([found["boxes"], found["scores"]], 2)


def score(network: nn.Module, data: Dataset, metric: str) -> float:
    """Mean average precision."""
    network.eval()
    x, targets = data.arrays()
    with torch.no_grad():
        outputs = [joined(network, part) for part in torch.from_numpy(x).split(BATCH)]
    judged = named(replace(EXAMPLE.task, metric=metric), HERE)
    return judged(torch.cat(outputs).numpy(), targets).value


def fitted(data: Dataset, epochs: int) -> nn.Module:
    """The network, trained."""
    generator = torch.Generator().manual_seed(SEED)
    torch.manual_seed(SEED)
    network = build().to(memory_format=torch.channels_last)
    x, y = (torch.from_numpy(part) for part in data.arrays())
    optimizer = torch.optim.AdamW(network.parameters(), PEAK_RATE, weight_decay=0.01)
    steps = epochs * -(-len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, steps)
    for epoch in range(1, epochs + 1):
        network.train()
        total, began = 0.0, time.perf_counter()
        for part in torch.randperm(len(x), generator=generator).split(BATCH):
            change = draw(len(part), tuple(x.shape[1:]), "scale-flip", generator)
            images = augment(x[part], change, EXAMPLE.data.preprocess)
            value = loss(
                joined(network, images), moved_boxes(y[part], change, x.shape[2:])
            ).mean()
            optimizer.zero_grad()
            value.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 10)
            optimizer.step()
            schedule.step()
            total += value.item() * len(part) / len(x)
        print(
            f"epoch {epoch}: loss {total:.3f}, {time.perf_counter() - began:.1f} s",
            flush=True,
        )
    return network


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--out", type=Path, default=HERE / "teacher.safetensors")
    chosen = parser.parse_args()
    network = fitted(read("data/train"), chosen.epochs)
    save_file({n: x.contiguous() for n, x in network.state_dict().items()}, chosen.out)
    test = read("data/test")
    for metric in ("map-50", "map"):
        print(f"{metric}: {score(network, test, metric):.3f} of the test images")


if __name__ == "__main__":
    main()
