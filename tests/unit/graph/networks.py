"""Small networks, one for each way in which dimensions are tied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgekit.program.program import Program, trace
from edgekit.types import InputSpec


class Residual(nn.Module):
    """Two convolutions with batch norm; a strided shortcut pads channels with zeros."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride, self.pad = stride, (outputs - inputs) // 2

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.pad:
            x = x[:, :, :: self.stride, :: self.stride]
            x = F.pad(x, (0, 0, 0, 0, self.pad, self.pad))
        return F.relu(x + y)


def resnet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 1, 1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        Residual(8, 8),
        Residual(8, 16, 2),
        Residual(16, 16),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 5),
    )


class Mobile(nn.Module):
    """Depthwise, grouped, squeeze-and-excitation, concatenation, flatten to linear."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.expand = nn.Conv2d(8, 24, 1)
        self.depthwise = nn.Conv2d(24, 24, 3, 1, 1, groups=24)
        self.squeeze = nn.Conv2d(24, 6, 1)
        self.excite = nn.Conv2d(6, 24, 1)
        self.project = nn.Conv2d(24, 8, 1)
        self.grouped = nn.Conv2d(8, 12, 3, 1, 1, groups=4)
        self.norm = nn.BatchNorm2d(12)
        self.branch = nn.Conv2d(12, 6, 1)
        self.head = nn.Linear(18 * 4 * 4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = F.hardswish(self.depthwise(F.hardswish(self.expand(x))))
        gate = self.excite(F.silu(self.squeeze(y.mean((2, 3), keepdim=True)))).sigmoid()
        x = F.relu(self.norm(self.grouped(x + self.project(y * gate))))
        x = F.max_pool2d(torch.cat([x, self.branch(x)], 1), 2)
        return self.head(x.flatten(1))


def mlp() -> nn.Module:
    return nn.Sequential(
        nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 12), nn.GELU(), nn.Linear(12, 5)
    )


class Transformer(nn.Module):
    """Class token, position embedding, layer norm, attention from one product, MLP."""

    def __init__(self, *, fused: bool = True) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 24, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 24))
        self.position = nn.Parameter(torch.randn(1, 5, 24))
        self.norm = nn.LayerNorm(24)
        self.qkv = nn.Linear(24, 72)
        self.project = nn.Linear(24, 24)
        self.up = nn.Linear(24, 32)
        self.down = nn.Linear(32, 24)
        self.head = nn.Linear(24, 5)
        self.fused = fused

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        batch = x.shape[0]
        x = torch.cat([self.token.expand(batch, -1, -1), x], 1) + self.position
        parts = self.qkv(self.norm(x)).reshape(batch, 5, 3, 4, 6)
        q, k, v = parts.permute(2, 0, 3, 1, 4).unbind(0)
        if self.fused:
            y = F.scaled_dot_product_attention(q, k, v)
        else:
            y = ((q * 6**-0.5) @ k.transpose(-2, -1)).softmax(-1) @ v
        x = x + self.project(y.transpose(1, 2).reshape(batch, 5, 24))
        x = x + self.down(F.gelu(self.up(x)))
        return self.head(x[:, 0])


class MultiHead(nn.Module):
    """Attention by `nn.MultiheadAttention`, heads folded into the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(6, 16)
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        return self.head(self.attention(x, x, x)[0]).mean(1)


class Decoder(nn.Module):
    """Grouped-query attention, rotary embedding, RMS norm, gated MLP, tied embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 32)
        self.q = nn.Linear(32, 32, bias=False)
        self.k = nn.Linear(32, 16, bias=False)
        self.v = nn.Linear(32, 16, bias=False)
        self.o = nn.Linear(32, 32, bias=False)
        self.gate = nn.Linear(32, 40, bias=False)
        self.up = nn.Linear(32, 40, bias=False)
        self.down = nn.Linear(40, 32, bias=False)
        self.scale = nn.Parameter(torch.rand(32) + 0.5)
        self.register_buffer("frequencies", 0.1 ** torch.arange(4.0))
        self.head = nn.Linear(32, 11, bias=False)
        self.head.weight = self.embed.weight

    def norm(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.scale

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        batch, length, _ = x.shape
        y = self.norm(x)
        q, k, v = (
            part(y).view(batch, length, heads, 8).transpose(1, 2)
            for part, heads in ((self.q, 4), (self.k, 2), (self.v, 2))
        )
        angles = torch.outer(torch.arange(length).float(), self.frequencies)
        angles = torch.cat([angles, angles], -1)
        q, k = (t * angles.cos() + _rotated(t) * angles.sin() for t in (q, k))
        k, v = (
            t[:, :, None].expand(batch, 2, 2, length, 8).reshape(batch, 4, length, 8)
            for t in (k, v)
        )
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(y.transpose(1, 2).reshape(batch, length, 32))
        y = self.norm(x)
        x = x + self.down(F.silu(self.gate(y)) * self.up(y))
        return self.head(self.norm(x))


def _rotated(x: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    return torch.cat([-x[..., half:], x[..., :half]], -1)


class Shuffle(nn.Module):
    """Channel split and shuffle, twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 1, 1)
        self.one = nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU(), nn.Conv2d(8, 8, 1))
        self.two = nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU(), nn.Conv2d(8, 8, 1))
        self.head = nn.Conv2d(16, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for unit in (self.one, self.two):
            left, right = x.chunk(2, 1)
            x = torch.cat([left, unit(right)], 1)
            batch, channels, height, width = x.shape
            x = x.view(batch, 2, channels // 2, height, width).transpose(1, 2)
            x = x.reshape(batch, channels, height, width)
        return self.head(x).mean((2, 3))


class Recurrent(nn.Module):
    def __init__(self, cell: type[nn.RNNBase]) -> None:
        super().__init__()
        self.embed = nn.Linear(6, 8)
        self.cells = cell(8, 10, 2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(20, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cells(self.embed(x))[0][:, -1])


class Unknown(nn.Module):
    """An operator that no rule is for, between two plain layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 8)
        self.second = nn.Linear(8, 12)
        self.third = nn.Linear(12, 10)
        self.head = nn.Linear(10, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.renorm(self.second(F.relu(self.first(x))), 2, 0, 1.0)
        return self.head(F.relu(self.third(x)))


@dataclass(frozen=True, kw_only=True)
class Case:
    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    dtype: torch.dtype = torch.float32

    def program(self, seed: int = 0) -> Program:
        torch.manual_seed(seed)
        network = self.build().eval()
        with torch.no_grad():
            for parameter in network.parameters():
                if parameter.dim() == 1:
                    parameter.add_(torch.rand_like(parameter) * 0.5)
            for name, buffer in network.named_buffers():
                if name.endswith("running_var"):
                    buffer.uniform_(0.1, 0.5)
        return trace(network, (InputSpec(shape=self.shape),), (self.dtype,))

    def inputs(self, batch: int = 3) -> Tensor:
        generator = torch.Generator().manual_seed(1)
        if self.dtype.is_floating_point:
            return torch.randn(batch, *self.shape, generator=generator)
        return torch.randint(11, (batch, *self.shape), generator=generator)


CASES = {
    "mlp": Case(build=mlp, shape=(6,)),
    "resnet": Case(build=resnet, shape=(3, 8, 8)),
    "mobile": Case(build=Mobile, shape=(3, 16, 16)),
    "transformer": Case(build=Transformer, shape=(3, 8, 8)),
    "unfused": Case(build=lambda: Transformer(fused=False), shape=(3, 8, 8)),
    "multihead": Case(build=MultiHead, shape=(5, 6)),
    "decoder": Case(build=Decoder, shape=(7,), dtype=torch.int64),
    "shuffle": Case(build=Shuffle, shape=(3, 6, 6)),
    "lstm": Case(build=lambda: Recurrent(nn.LSTM), shape=(4, 6)),
    "gru": Case(build=lambda: Recurrent(nn.GRU), shape=(4, 6)),
    "unknown": Case(build=Unknown, shape=(6,)),
}
