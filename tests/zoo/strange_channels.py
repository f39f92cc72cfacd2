"""Strange networks over pictures: channels joined, shuffled, normalized and routed."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.zoo.parts import IMG, Net, conv_block, registry
from tests.zoo.strange_vision import around

ENTRIES, case = registry()


@case(IMG)
def mirrored_rectifiers() -> nn.Module:
    """CReLU, and a concatenation of what was pooled twice."""

    def run(n: Net, x: Tensor) -> Tensor:
        x = n.one(x)
        y = n.two(torch.cat((F.relu(x), F.relu(-x)), 1))
        return n.head(
            torch.cat((F.adaptive_avg_pool2d(y, 1), F.adaptive_max_pool2d(y, 1)), 1)
        )

    head = nn.Sequential(nn.Flatten(), nn.Linear(40, 5))
    return Net(run, one=nn.Conv2d(3, 12, 3), two=nn.Conv2d(24, 20, 3), head=head)


@case(IMG)
def maxout() -> nn.Module:
    def run(n: Net, x: Tensor) -> Tensor:
        return n.conv(x).unflatten(1, (12, 3)).amax(2)

    return around(Net(run, conv=nn.Conv2d(16, 36, 3, padding=1)), out=12)


@case(IMG)
def feature_maxima() -> nn.Module:
    """Max-feature-map: the larger half; and the largest few of the channels."""

    def run(n: Net, x: Tensor) -> Tensor:
        y = torch.maximum(*n.conv(x).chunk(2, 1))
        best = y.topk(3, 1).values.mean(1, keepdim=True)
        return n.two(x) * torch.sigmoid(best)

    return around(
        Net(run, conv=nn.Conv2d(16, 24, 3, padding=1), two=nn.Conv2d(16, 16, 1))
    )


@case(IMG)
def shuffled_channels() -> nn.Module:
    def run(n: Net, x: Tensor) -> Tensor:
        y = F.channel_shuffle(n.one(x), 4)
        y = F.pixel_unshuffle(F.pixel_shuffle(n.two(y), 2), 2)
        y = n.three(y).unflatten(1, (2, 12)).transpose(1, 2).flatten(1, 2)
        return n.four(y.flip(1))

    return around(
        Net(
            run, one=conv_block(16, 16, g=4), two=nn.Conv2d(16, 16, 1, groups=4),
            three=nn.Conv2d(16, 24, 1), four=nn.Conv2d(24, 16, 3, padding=1, groups=2),
        )
    )  # fmt: skip


@case(IMG)
def rolled_channels() -> nn.Module:
    """Shift operations: parts of the channels move by a pixel; and the channels themselves turn."""

    def run(n: Net, x: Tensor) -> Tensor:
        a, b, c, d = n.one(x).chunk(4, 1)
        moved = torch.cat((a.roll(1, 2), b.roll(-1, 2), c.roll(1, 3), d.roll(-1, 3)), 1)
        return n.two(moved) + n.three(x).roll(2, 1)

    layers = {"one": nn.Conv2d(16, 24, 1), "two": nn.Conv2d(24, 16, 1)}
    return around(Net(run, **layers, three=nn.Conv2d(16, 16, 1)))


@case(IMG)
def one_convolution_in_two_places() -> nn.Module:
    """A convolution on two tensors, and one batch norm behind two convolutions."""

    def run(n: Net, x: Tensor) -> Tensor:
        a, b = n.left(x), n.right(F.max_pool2d(x, 3, 1, 1))
        return n.norm(n.shared(a)) + F.relu(n.norm(n.other(b))) * n.shared(b)

    layers = {"shared": nn.Conv2d(12, 16, 1), "other": nn.Conv2d(12, 16, 3, padding=1)}
    return around(
        Net(
            run,
            left=conv_block(16, 12),
            right=conv_block(16, 12),
            norm=nn.BatchNorm2d(16),
            **layers,
        )
    )


@case(IMG)
def norms_over_channels() -> nn.Module:
    """Local response, unit length, root mean square and one group over all, one after another."""

    def run(n: Net, x: Tensor) -> Tensor:
        x = F.normalize(n.one(x), dim=1)
        x = n.two(x) * torch.rsqrt(n.two(x).square().mean(1, keepdim=True) + 1e-6)
        return F.local_response_norm(n.three(n.group(x)), 3)

    layers = {f"{name}": nn.Conv2d(16, 16, 1) for name in ("one", "two", "three")}
    return around(Net(run, **layers, group=nn.GroupNorm(1, 16)))


@case(IMG)
def standardized_by_batch_norm() -> nn.Module:
    """Weight standardization through F.batch_norm over the flattened weight."""

    class Standard(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            flat = self.weight.reshape(1, self.out_channels, -1)
            weight = F.batch_norm(flat, None, None, training=True, momentum=0.0)
            return F.conv2d(x, weight.reshape_as(self.weight), self.bias, padding=1)

    return around(nn.Sequential(Standard(16, 16, 3), nn.ReLU(), Standard(16, 16, 3)))


@case(IMG)
def demodulated() -> nn.Module:
    """StyleGAN 2: a style scales the weights' inputs; their lengths are divided out."""

    def run(n: Net, x: Tensor) -> Tensor:
        batch, width, high, wide = x.shape
        style = n.style(x.mean((2, 3)))
        weight = n.weight * style[:, None, :, None, None]
        weight = weight * torch.rsqrt(
            weight.square().sum((2, 3, 4), keepdim=True) + 1e-8
        )
        y = F.conv2d(
            x.reshape(1, batch * width, high, wide),
            weight.flatten(0, 1),
            padding=1,
            groups=batch,
        )
        return y.view(batch, 16, high, wide)

    weight = nn.Parameter(torch.randn(16, 16, 3, 3) * 0.1)
    return around(Net(run, style=nn.Linear(16, 16), weight=weight))


@case(IMG)
def capsules() -> nn.Module:
    """Two rounds of routing by agreement between capsules."""

    def squash(x: Tensor) -> Tensor:
        length = x.square().sum(-1, keepdim=True)
        return x * length / (1 + length) / torch.sqrt(length + 1e-8)

    def run(n: Net, x: Tensor) -> Tensor:
        y = (
            n.conv(n.stem(x))
            .unflatten(1, (4, 8))
            .flatten(3)
            .transpose(2, 3)
            .flatten(1, 2)
        )
        votes = torch.einsum("bid,iodk->biok", squash(y), n.weight)
        logits = votes.new_zeros(votes.shape[:3])
        for _ in range(2):
            out = squash((logits.softmax(2).unsqueeze(-1) * votes).sum(1))
            logits = logits + torch.einsum("biok,bok->bio", votes, out)
        return out.norm(dim=-1)

    weight = nn.Parameter(torch.randn(4 * 9, 5, 8, 6) * 0.1)
    return Net(
        run, stem=conv_block(3, 16, s=2), conv=nn.Conv2d(16, 32, 3, 2), weight=weight
    )
