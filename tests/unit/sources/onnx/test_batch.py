"""Files that hold a batch of 1 compute any batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.sources.onnx.loading import load
from tests.unit.sources.onnx.agreement import outputs


class Pictures(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.deep = nn.Conv2d(8, 8, 3, 1, 1, groups=8)
        self.up = nn.ConvTranspose2d(8, 4, 2, 2)
        self.groups = nn.GroupNorm(2, 4)

    def forward(self, x: torch.Tensor) -> Any:
        y = nn.functional.hardswish(self.norm(self.stem(x)))
        y = self.groups(self.up(nn.functional.relu6(self.deep(y))))
        y = nn.functional.interpolate(y, scale_factor=2, mode="bilinear")
        return y, y.mean((2, 3))


class Words(nn.Module):
    """Attention whose samples lie in the second dimension, as `nn.MultiheadAttention` has them."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(50, 32)
        self.place = nn.Parameter(torch.randn(1, 16, 32))
        self.attention = nn.MultiheadAttention(32, 4)
        self.norm = nn.LayerNorm(32)
        self.head = nn.Linear(32, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = (self.table(x) + self.place).transpose(0, 1)
        y = y + self.attention(y, y, y, need_weights=False)[0]
        return self.head(self.norm(y)[0])


class Steps(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.LSTM(6, 8, bidirectional=True, batch_first=True)
        self.then = nn.GRU(16, 8, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.then(self.first(x)[0])[0][:, -1]


_NETS: dict[type[nn.Module], torch.Tensor] = {
    Pictures: torch.randn(1, 3, 16, 16),
    Words: torch.randint(0, 50, (1, 16)),
    Steps: torch.randn(1, 5, 6),
}


@pytest.mark.parametrize("kind", _NETS)
@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "torchscript"])
@pytest.mark.filterwarnings("ignore")
def test_what_torch_exports_with_one_sample_comes_back(
    tmp_path: Path, kind: type[nn.Module], dynamo: bool
) -> None:
    torch.manual_seed(0)
    network, x = kind().eval(), _NETS[kind]
    path = tmp_path / "net.onnx"
    with torch.no_grad():
        torch.onnx.export(network, (x,), str(path), dynamo=dynamo, verbose=False)
    program = load(path)
    more = torch.cat([x, x.flip(-1), x.roll(1, -1)])
    with torch.no_grad():
        expected = network(more)
    expected = expected if isinstance(expected, tuple) else (expected,)
    for one, other in zip(outputs(program, more.numpy()), expected, strict=True):
        np.testing.assert_allclose(one, other.numpy(), atol=2e-5)
