"""Strange networks over pictures: attention over channels, made kernels, shuffles."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.zoo.parts import IMG, Net, conv_block, registry

ENTRIES, case = registry()


def classifier(width: int) -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 5))


def around(middle: nn.Module, width: int = 16, out: int = 16) -> nn.Module:
    """A stem before and a classifier behind, so that widths on both sides can shrink."""
    return nn.Sequential(
        conv_block(3, width), middle, conv_block(out, 24), classifier(24)
    )


@case(IMG)
def bottleneck_attention() -> nn.Module:
    """BAM: one gate over channels, one over space, added before the sigmoid."""
    channels = nn.Sequential(
        nn.Linear(16, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 16)
    )
    space = nn.Sequential(
        nn.Conv2d(16, 4, 1),
        nn.Conv2d(4, 4, 3, padding=2, dilation=2),
        nn.Conv2d(4, 1, 1),
    )

    def run(n: Net, x: Tensor) -> Tensor:
        gate = n.channels(x.mean((2, 3)))[:, :, None, None] + n.space(x)
        return x * (1 + torch.sigmoid(gate))

    return around(Net(run, channels=channels, space=space))


@case(IMG)
def double_attention() -> nn.Module:
    """DANet: attention of places among places, and of channels among channels."""

    def run(n: Net, x: Tensor) -> Tensor:
        batch, width, high, wide = x.shape
        q, k, v = n.q(x).flatten(2), n.k(x).flatten(2), n.v(x).flatten(2)
        places = torch.softmax(q.transpose(1, 2) @ k, -1)
        one = (v @ places.transpose(1, 2)).view(batch, width, high, wide)
        flat = x.flatten(2)
        energy = flat @ flat.transpose(1, 2)
        energy = energy.max(-1, keepdim=True)[0].expand_as(energy) - energy
        two = (energy.softmax(-1) @ flat).view(batch, width, high, wide)
        return x + 0.5 * one + 0.5 * two

    layers = {
        name: nn.Conv2d(16, width, 1) for name, width in (("q", 8), ("k", 8), ("v", 16))
    }
    return around(Net(run, **layers))


@case(IMG)
def non_local() -> nn.Module:
    """Embedded dot products over the number of places; the kernel is not normalized."""

    def run(n: Net, x: Tensor) -> Tensor:
        theta, phi, g = (m(x).flatten(2) for m in (n.theta, n.phi, n.g))
        near = theta.transpose(1, 2) @ phi / phi.shape[-1]
        y = (g @ near.transpose(1, 2)).unflatten(2, x.shape[2:])
        return x + n.out(y)

    layers = {name: nn.Conv2d(16, 8, 1) for name in ("theta", "phi", "g")}
    return around(Net(run, **layers, out=conv_block(8, 16, 1)))


@case(IMG)
def gather_excite() -> nn.Module:
    def run(n: Net, x: Tensor) -> Tensor:
        context = n.gather(x)
        return x * torch.sigmoid(F.interpolate(context, x.shape[-2:], mode="nearest"))

    gather = nn.Sequential(
        nn.Conv2d(16, 16, 3, 2, 1, groups=16), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 16, 3, 2, 1, groups=16), nn.BatchNorm2d(16),
    )  # fmt: skip
    return around(Net(run, gather=gather))


@case(IMG)
def global_context() -> nn.Module:
    """GCNet: one softmax over places weighs channels; a layer norm inside."""

    def run(n: Net, x: Tensor) -> Tensor:
        weights = n.mask(x).flatten(2).softmax(-1)
        context = (x.flatten(2) @ weights.transpose(1, 2)).unsqueeze(-1)
        return x + n.transform(context)

    transform = nn.Sequential(
        nn.Conv2d(16, 4, 1), nn.LayerNorm([4, 1, 1]), nn.ReLU(), nn.Conv2d(4, 16, 1)
    )
    return around(Net(run, mask=nn.Conv2d(16, 1, 1), transform=transform))


@case(IMG)
def dual_path() -> nn.Module:
    """A sum on some channels, a concatenation on the others."""

    class Block(nn.Module):
        def __init__(self, before: int) -> None:
            super().__init__()
            self.body = nn.Sequential(
                conv_block(before, 12, 1),
                conv_block(12, 12, g=3),
                nn.Conv2d(12, 16 + 4, 1),
            )

        def forward(self, kept: Tensor, dense: Tensor) -> tuple[Tensor, Tensor]:
            out = self.body(torch.cat((kept, dense), 1))
            return kept + out[:, :16], torch.cat((dense, out[:, 16:]), 1)

    def run(n: Net, x: Tensor) -> Tensor:
        kept, dense = n.stem(x).split((16, 4), 1)
        for block in n.blocks:
            kept, dense = block(kept, dense)
        return n.head(torch.cat((kept, dense), 1))

    return Net(
        run, stem=conv_block(3, 20), head=classifier(28),
        blocks=nn.ModuleList((Block(20), Block(24))),
    )  # fmt: skip


@case(IMG)
def split_attention() -> nn.Module:
    """ResNeSt: a softmax over the radix weighs the splits of one grouped convolution."""

    def run(n: Net, x: Tensor) -> Tensor:
        y = n.conv(x)
        splits = torch.split(y, y.shape[1] // 2, 1)
        gate = n.two(F.relu(n.one((splits[0] + splits[1]).mean((2, 3), keepdim=True))))
        gate = gate.view(gate.shape[0], 1, 2, -1).transpose(1, 2).softmax(1).flatten(1)
        parts = torch.split(gate[:, :, None, None], 12, 1)
        return parts[0] * splits[0] + parts[1] * splits[1]

    return around(
        Net(
            run,
            conv=conv_block(16, 24, g=2),
            one=nn.Conv2d(12, 8, 1),
            two=nn.Conv2d(8, 24, 1),
        ),
        out=12,
    )


@case(IMG)
def selective_kernel() -> nn.Module:
    def run(n: Net, x: Tensor) -> Tensor:
        parts = torch.stack([n.small(x), n.large(x)], 1)
        z = n.squeeze(parts.sum(1).mean((2, 3)))
        weights = torch.stack([gate(z) for gate in n.gates], 1).softmax(1)
        return (parts * weights[..., None, None]).sum(1)

    gates = nn.ModuleList(nn.Linear(8, 16) for _ in range(2))
    squeeze = nn.Sequential(nn.Linear(16, 8), nn.ReLU())
    return around(
        Net(
            run,
            small=conv_block(16, 16),
            large=conv_block(16, 16, 5),
            squeeze=squeeze,
            gates=gates,
        )
    )


@case(IMG)
def involution() -> nn.Module:
    """A kernel for every place, made from the place, shared by the channels of a group."""

    def run(n: Net, x: Tensor) -> Tensor:
        batch, _, high, wide = x.shape
        kernel = n.span(n.reduce(x)).view(batch, 4, 1, 9, high, wide)
        patches = F.unfold(x, 3, padding=1).view(batch, 4, 4, 9, high, wide)
        return (kernel * patches).sum(3).view(batch, 16, high, wide)

    return around(Net(run, reduce=conv_block(16, 8, 1), span=nn.Conv2d(8, 36, 1)))


@case(IMG)
def dynamic_convolution() -> nn.Module:
    """CondConv: kernels mixed for every sample, run as one convolution in as many groups."""

    def run(n: Net, x: Tensor) -> Tensor:
        batch, width, high, wide = x.shape
        mix = torch.softmax(n.route(x.mean((2, 3))), -1)
        kernels = (mix @ n.bank.flatten(1)).view(batch * 12, width, 3, 3)
        y = F.conv2d(
            x.reshape(1, batch * width, high, wide), kernels, padding=1, groups=batch
        )
        return y.view(batch, 12, high, wide)

    bank = nn.Parameter(torch.randn(4, 12, 16, 3, 3) * 0.1)
    return around(Net(run, route=nn.Linear(16, 4), bank=bank), out=12)


@case(IMG)
def coordinate_attention() -> nn.Module:
    def run(n: Net, x: Tensor) -> Tensor:
        high, wide = x.shape[-2:]
        rows, columns = x.mean(3, keepdim=True), x.mean(2, keepdim=True).transpose(2, 3)
        y = F.hardswish(n.squeeze(torch.cat((rows, columns), 2)))
        rows, columns = y.split((high, wide), 2)
        return x * n.rows(rows).sigmoid() * n.columns(columns.transpose(2, 3)).sigmoid()

    return around(
        Net(
            run,
            squeeze=nn.Conv2d(16, 8, 1),
            rows=nn.Conv2d(8, 16, 1),
            columns=nn.Conv2d(8, 16, 1),
        )
    )


@case(IMG)
def triplet_attention() -> nn.Module:
    """Gates that convolve over (channel, width): no channel can go alone."""

    def run(n: Net, x: Tensor) -> Tensor:
        turned = x.permute(0, 2, 1, 3)
        pooled = torch.stack((turned.amax(1), turned.mean(1)), 1)
        return x * torch.sigmoid(n.gate(pooled)).permute(0, 2, 1, 3)

    return around(Net(run, gate=nn.Conv2d(2, 1, 7, padding=3)))


@case(IMG)
def axial_attention() -> nn.Module:
    class Axial(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv, self.out = nn.Linear(16, 48), nn.Linear(16, 16)

        def forward(self, x: Tensor) -> Tensor:
            *lead, length, _ = x.shape
            parts = self.qkv(x).view(*lead, length, 3, 4, 4)
            q, k, v = (p.squeeze(-3).transpose(-2, -3) for p in parts.chunk(3, -3))
            y = torch.softmax(q @ k.transpose(-1, -2) / 2, -1) @ v
            return self.out(y.transpose(-2, -3).flatten(-2))

    def run(n: Net, x: Tensor) -> Tensor:
        y = x.permute(0, 2, 3, 1)
        y = y + n.rows(y)
        return (y + n.columns(y.transpose(1, 2)).transpose(1, 2)).permute(0, 3, 1, 2)

    return around(Net(run, rows=Axial(), columns=Axial()))


@case(IMG)
def linear_attention() -> nn.Module:
    """EfficientViT-like: positive features, sums of keys and values first."""

    def run(n: Net, x: Tensor) -> Tensor:
        q, k, v = n.qkv(x).flatten(2).unflatten(1, (3, 4, 4)).unbind(1)
        q, k = F.elu(q) + 1, F.elu(k) + 1
        y = (
            (v @ k.transpose(-1, -2))
            @ q
            / (k.sum(-1, keepdim=True) * q).sum(-2, keepdim=True)
        )
        return x + n.out(y.flatten(1, 2).unflatten(2, x.shape[2:]))

    return around(Net(run, qkv=nn.Conv2d(16, 48, 1), out=nn.Conv2d(16, 16, 1)))


@case(IMG)
def softmax_over_features() -> nn.Module:
    """Efficient attention: queries are normalized over their channels."""

    def run(n: Net, x: Tensor) -> Tensor:
        q, k, v = (m(x).flatten(2) for m in (n.q, n.k, n.v))
        context = k.softmax(-1) @ v.transpose(1, 2)
        return x + n.out(
            (context.transpose(1, 2) @ q.softmax(1)).view(x.shape[0], 8, 16, 16)
        )

    layers = {name: nn.Conv2d(16, 8, 1) for name in ("q", "k", "v")}
    return around(Net(run, **layers, out=nn.Conv2d(8, 16, 1)))
