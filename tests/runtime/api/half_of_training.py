"""One process of several that train a tiny network by `edgekit.distill`, until it is ended."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

import edgekit as ek
from edgekit.errors import EdgeKitError
from edgekit.progress import Silent, Step


class Lines(Silent):
    """Prints a line an epoch."""

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        yield self

    def update(self, done: int, total: int, note: str = "") -> None:
        print("epoch", done, flush=True)


def main() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3))
    x, y = torch.randn(256, 3, 2, 2), torch.randint(3, (256,))
    batches = [(x[i : i + 32], y[i : i + 32]) for i in range(0, 256, 32)]
    data = ek.Data(train=batches, test=batches)
    model = ek.load(net, example_input=x[:1])
    try:
        ek.distill(model, teacher=model, data=data, epochs=100000, progress=Lines())
    except EdgeKitError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
