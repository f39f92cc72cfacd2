"""A library user's objects: a network, loaders and a training loop of their own."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, padding=1)
        self.norm = nn.BatchNorm2d(16)
        self.body = nn.Conv2d(16, 16, 3, padding=1)
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.stem(x)))
        x = torch.relu(self.body(x))
        return self.head(self.drop(x.mean((2, 3))))


def samples(count: int, seed: int) -> TensorDataset:
    """Noise (count, 1, 8, 8) with one bright half, which is the class."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(count) % 3
    x = 0.3 * torch.randn(count, 1, 8, 8, generator=generator)
    x[y == 0, :, :4] += 1
    x[y == 1, :, 4:] += 1
    x[y == 2, :, :, :4] += 1
    return TensorDataset(x, y)


def loader(count: int, seed: int, *, shuffle: bool = False) -> DataLoader:
    return DataLoader(samples(count, seed), batch_size=32, shuffle=shuffle)


def train(module: nn.Module, batches: DataLoader, epochs: int) -> None:
    """A loop as anybody writes it."""
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
    module.train()
    for _ in range(epochs):
        for x, y in batches:
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(x), y).backward()
            optimizer.step()
    module.eval()


def trained() -> Net:
    torch.manual_seed(0)
    net = Net()
    train(net, loader(192, seed=1), epochs=4)
    return net
