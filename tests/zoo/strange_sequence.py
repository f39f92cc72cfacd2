"""Strange networks over sequences, tables and graphs: gates, experts, tied and made weights."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.zoo.parts import Net, registry

ENTRIES, case = registry()
SEQUENCE = ((10, 12), "float32")
TABLE = ((20,), "float32")
TOKENS = ((10,), "int64")


def mlp(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@case(SEQUENCE)
def fourier_mixing() -> nn.Module:
    """FNet: the real part of a transform over length and width."""

    def run(n: Net, x: Tensor) -> Tensor:
        x = n.norm(n.enter(x))
        x = x + torch.fft.fft(torch.fft.fft(x, dim=-1), dim=-2).real
        return n.out(x + n.mlp(x)).mean(1)

    return Net(
        run, enter=nn.Linear(12, 16), norm=nn.LayerNorm(16), mlp=mlp(16, 32, 16),
        out=nn.Linear(16, 4),
    )  # fmt: skip


@case(SEQUENCE)
def unrolled_cells() -> nn.Module:
    """Loops of LSTM and GRU cells, as authors write them."""

    class Cells(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.LSTMCell(12, 16), nn.GRUCell(16, 14)
            self.out = nn.Linear(14, 4)

        def forward(self, x: Tensor) -> Tensor:
            hidden = x.new_zeros(x.shape[0], 16)
            cell, last = torch.zeros_like(hidden), x.new_zeros(x.shape[0], 14)
            for step in range(4):
                hidden, cell = self.one(x[:, step], (hidden, cell))
                last = self.two(hidden, last)
            return self.out(last)

    return Cells()


@case(SEQUENCE)
def hand_written_cell() -> nn.Module:
    """A minimal gated unit from plain linear layers, chunked gates and all."""

    def run(n: Net, x: Tensor) -> Tensor:
        hidden = torch.zeros(x.shape[0], 16)
        for step in range(4):
            gates = n.read(x[:, step]) + n.remember(hidden)
            forget, new = gates.chunk(2, -1)
            forget = torch.sigmoid(forget)
            hidden = (1 - forget) * hidden + forget * torch.tanh(new)
        return n.out(hidden)

    return Net(
        run, read=nn.Linear(12, 32), remember=nn.Linear(16, 32), out=nn.Linear(16, 4)
    )


@case(((12, 20), "float32"))
def gated_waves() -> nn.Module:
    """WaveNet: tanh times sigmoid of dilated convolutions, skips summed from all blocks."""

    class Block(nn.Module):
        def __init__(self, dilation: int) -> None:
            super().__init__()
            self.pad = dilation
            self.conv = nn.Conv1d(16, 24, 2, dilation=dilation)
            self.skip, self.out = nn.Conv1d(12, 20, 1), nn.Conv1d(12, 16, 1)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            a, b = self.conv(F.pad(x, (self.pad, 0))).split(12, 1)
            y = torch.tanh(a) * torch.sigmoid(b)
            return x + self.out(y), self.skip(y)

    def run(n: Net, x: Tensor) -> Tensor:
        x, total = n.enter(x), 0
        for block in n.blocks:
            x, skip = block(x)
            total = total + skip
        return n.head(F.relu(total)).mean(-1)

    blocks = nn.ModuleList(Block(2**i) for i in range(3))
    return Net(run, enter=nn.Conv1d(12, 16, 1), blocks=blocks, head=nn.Conv1d(20, 4, 1))


@case(((8, 6), "float32"))
def graph_convolution() -> nn.Module:
    """Messages along edges: gathered, weighed, added where they arrive."""
    edges = torch.tensor(
        [[0, 1, 2, 3, 4, 5, 6, 7, 0, 2], [1, 2, 3, 4, 5, 6, 7, 0, 4, 6]]
    )

    def run(n: Net, x: Tensor) -> Tensor:
        x = F.relu(n.enter(x))
        source, target = n.edges
        sent = n.message(x[:, source])
        arrived = torch.zeros_like(x).index_add(1, target, sent)
        x = F.relu(n.update(torch.cat((x, arrived), -1)))
        score = F.leaky_relu(n.score(x[:, source] + x[:, target])).exp()
        place = target[None, :, None].expand(x.shape[0], -1, 1)
        total = torch.zeros(x.shape[0], 8, 1).scatter_add(1, place, score)
        weighed = x[:, source] * score / total.gather(1, place)
        places = target[None, :, None].expand_as(weighed)
        x = torch.zeros_like(x).scatter_add(1, places, weighed)
        return n.out(x.amax(1))

    return Net(
        run, edges=edges, enter=nn.Linear(6, 16), message=nn.Linear(16, 16),
        update=nn.Linear(32, 20), score=nn.Linear(20, 1), out=nn.Linear(20, 3),
    )  # fmt: skip


@case(TABLE)
def low_rank() -> nn.Module:
    """Weights as products of factors, and a sum of two such adapters."""

    def run(n: Net, x: Tensor) -> Tensor:
        x = F.relu(F.linear(x, n.up @ n.down))
        x = n.base(x) + F.linear(F.linear(x, n.a), n.b)
        return n.out(F.relu(x))

    return Net(
        run, up=nn.Parameter(torch.randn(24, 6)), down=nn.Parameter(torch.randn(6, 20)),
        base=nn.Linear(24, 16), a=nn.Parameter(torch.randn(4, 24)),
        b=nn.Parameter(torch.randn(16, 4)), out=nn.Linear(16, 3),
    )  # fmt: skip


@case(TABLE)
def bilinear_pooling() -> nn.Module:
    def run(n: Net, x: Tensor) -> Tensor:
        a, b = F.relu(n.a(x)), F.relu(n.b(x))
        both = n.both(a, b)
        crossed = (a[:, :, None] * b[:, None, :]).flatten(1)
        rooted = F.normalize(crossed.sign() * (crossed.abs() + 1e-5).sqrt(), dim=-1)
        return n.out(torch.cat((both, rooted), 1))

    return Net(
        run, a=nn.Linear(20, 8), b=nn.Linear(20, 6), both=nn.Bilinear(8, 6, 10),
        out=nn.Linear(10 + 48, 3),
    )  # fmt: skip


@case(TOKENS)
def bag_of_words() -> nn.Module:
    """An embedding bag beside factorization machines over plain embeddings."""

    def run(n: Net, i: Tensor) -> Tensor:
        each = n.table(i)
        pairs = 0.5 * (each.sum(1).square() - each.square().sum(1)).sum(
            -1, keepdim=True
        )
        return n.out(F.relu(n.one(n.bag(i)))) + n.first(i).sum(1) + pairs

    return Net(
        run, bag=nn.EmbeddingBag(10, 16, mode="mean"), table=nn.Embedding(10, 12),
        first=nn.Embedding(10, 1), one=nn.Linear(16, 14), out=nn.Linear(14, 2),
    )  # fmt: skip


@case(TABLE)
def dense_experts() -> nn.Module:
    """A mixture in which every expert runs; weights of all experts in one tensor."""

    def run(n: Net, x: Tensor) -> Tensor:
        weights = torch.softmax(n.gate(x), -1)
        hidden = F.relu(torch.einsum("bi,eih->beh", x, n.up) + n.bias)
        y = torch.einsum("beh,eho->beo", hidden, n.down)
        return n.out(torch.einsum("be,beo->bo", weights, y))

    return Net(
        run, gate=nn.Linear(20, 4), up=nn.Parameter(torch.randn(4, 20, 16) * 0.2),
        bias=nn.Parameter(torch.zeros(4, 16)), down=nn.Parameter(torch.randn(4, 16, 12) * 0.2),
        out=nn.Linear(12, 3),
    )  # fmt: skip


@case(TABLE)
def chosen_experts() -> nn.Module:
    """The best two of four experts, by a mask made from a threshold."""

    def run(n: Net, x: Tensor) -> Tensor:
        scores = n.gate(x)
        least = scores.topk(2, -1).values[..., -1:]
        weights = scores.masked_fill(scores < least, float("-inf")).softmax(-1)
        parts = torch.stack([expert(x) for expert in n.experts], -1)
        return n.out((parts * weights[:, None]).sum(-1))

    experts = nn.ModuleList(mlp(20, 16, 12) for _ in range(4))
    return Net(run, gate=nn.Linear(20, 4), experts=experts, out=nn.Linear(12, 3))


@case(TABLE)
def tied_autoencoder() -> nn.Module:
    """The decoder is the encoder transposed."""

    def run(n: Net, x: Tensor) -> Tensor:
        one = torch.tanh(n.one(x))
        two = torch.tanh(n.two(one))
        back = torch.tanh(F.linear(two, n.two.weight.t(), n.bias))
        return F.linear(back, n.one.weight.t())

    bias = nn.Parameter(torch.zeros(16))
    return Net(run, one=nn.Linear(20, 16), two=nn.Linear(16, 8), bias=bias)


@case(TABLE)
def angular_margin() -> nn.Module:
    """ArcFace at inference: cosines between unit features and unit weights."""

    def run(n: Net, x: Tensor) -> Tensor:
        features = n.body(x)
        return 30 * F.linear(F.normalize(features), F.normalize(n.weight))

    return Net(run, body=mlp(20, 24, 16), weight=nn.Parameter(torch.randn(5, 16)))


@case(TABLE)
def unit_rows_inside() -> nn.Module:
    """Cosine layers in the middle: lengths of rows whose inputs can be cut."""

    class Cosine(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return F.linear(x, F.normalize(self.weight, dim=1), self.bias)

    return nn.Sequential(
        Cosine(20, 16), nn.ReLU(), Cosine(16, 12), nn.ReLU(), Cosine(12, 3)
    )


@case(TABLE)
def prototypes() -> nn.Module:
    """Distances to learned points, and cosines with them."""

    def run(n: Net, x: Tensor) -> Tensor:
        y = n.body(x)
        near = F.cosine_similarity(y[:, None], n.points[None], dim=-1)
        return n.out(torch.cat((torch.cdist(y, n.points), near), -1))

    points = nn.Parameter(torch.randn(6, 16))
    return Net(run, body=mlp(20, 24, 16), points=points, out=nn.Linear(12, 3))


@case(SEQUENCE)
def feature_modulation() -> nn.Module:
    """FiLM: a summary scales and shifts every channel."""

    def run(n: Net, x: Tensor) -> Tensor:
        gain, shift = n.film(x.mean(1)).chunk(2, -1)
        y = F.gelu(n.one(x)) * (1 + gain[:, None]) + shift[:, None]
        return n.out(F.relu(y)).mean(1)

    return Net(run, film=mlp(12, 10, 32), one=nn.Linear(12, 16), out=nn.Linear(16, 4))


@case(TABLE)
def made_weights() -> nn.Module:
    """A hypernetwork: one that makes weights from a constant, one from the sample itself."""

    def run(n: Net, x: Tensor) -> Tensor:
        x = F.relu(F.linear(x, n.constant(n.seed).view(16, 20)))
        own = n.sample(x).view(-1, 12, 16)
        return n.out(torch.bmm(own, x.unsqueeze(-1)).squeeze(-1))

    return Net(
        run, seed=nn.Parameter(torch.randn(8)), constant=mlp(8, 10, 320),
        sample=nn.Linear(16, 192), out=nn.Linear(12, 3),
    )  # fmt: skip


@case(SEQUENCE)
def accumulated_features() -> nn.Module:
    """Cumulative sums along length and along features; a softmax over features."""

    def run(n: Net, x: Tensor) -> Tensor:
        y = F.softplus(n.one(x))
        y = y.cumsum(1) / torch.arange(1, 11).view(1, 10, 1)
        return n.out(n.two(y.cumsum(-1)).softmax(-1)).mean(1)

    return Net(run, one=nn.Linear(12, 16), two=nn.Linear(16, 14), out=nn.Linear(14, 4))


@case(SEQUENCE)
def learned_queries() -> nn.Module:
    """A few latent vectors read a sequence: attention between parameters and activations."""

    def run(n: Net, x: Tensor) -> Tensor:
        k, v = n.read(x).chunk(2, -1)
        near = torch.softmax(n.latents @ k.transpose(1, 2) / 4, -1)
        return n.out(
            F.gelu(n.mix((near @ v).transpose(1, 2))).transpose(1, 2).flatten(1)
        )

    latents = nn.Parameter(torch.randn(5, 16))
    return Net(
        run,
        latents=latents,
        read=nn.Linear(12, 32),
        mix=nn.Linear(5, 6),
        out=nn.Linear(96, 4),
    )


@case(SEQUENCE)
def relative_positions() -> nn.Module:
    """Transformer-XL-like: positions have scores of their own, shifted by padding and a view."""

    def run(n: Net, x: Tensor) -> Tensor:
        q, k, v = (m(x).unflatten(-1, (3, 6)).transpose(1, 2) for m in (n.q, n.k, n.v))
        content = (q + n.u[:, None]) @ k.transpose(-1, -2)
        place = (q + n.w[:, None]) @ n.positions.transpose(-1, -2)
        place = F.pad(place, (1, 0)).view(x.shape[0], 3, 11, 10)[:, :, 1:]
        y = torch.softmax(content + place, -1) @ v
        return n.out(y.transpose(1, 2).flatten(2)).mean(1)

    layers = {name: nn.Linear(12, 18) for name in ("q", "k", "v")}
    vectors = {name: nn.Parameter(torch.randn(3, 6)) for name in ("u", "w")}
    positions = nn.Parameter(torch.randn(3, 10, 6))
    return Net(run, **layers, **vectors, positions=positions, out=nn.Linear(18, 4))


@case(SEQUENCE)
def ordered_features() -> nn.Module:
    """Sorting, ranks and arg-maxima over features: all of them stay."""

    def run(n: Net, x: Tensor) -> Tensor:
        y = n.one(x).sort(-1).values
        best = n.two(x).argmax(-1, keepdim=True)
        return n.out(y.gather(-1, best) + n.three(y)).mean(1)

    layers = {
        "one": nn.Linear(12, 16),
        "two": nn.Linear(12, 16),
        "three": nn.Linear(16, 8),
    }
    return Net(run, **layers, out=nn.Linear(8, 4))


@case(SEQUENCE)
def mixed_tokens() -> nn.Module:
    """MLP-Mixer with batch norm over tokens, masks made from channels, and dots in einsum."""

    def run(n: Net, x: Tensor) -> Tensor:
        x = n.enter(x)
        x = x + n.tokens(n.norm(x).transpose(1, 2)).transpose(1, 2)
        y = torch.where(n.gate(x) > 0, x, 0.1 * x)
        y = y.masked_fill(n.close(x) < -3, 0.0)
        y = torch.einsum("...c,dc->...d", y, n.weight)
        return torch.einsum("b...d,do->bo", y, n.last)

    return Net(
        run, enter=nn.Linear(12, 16), norm=nn.BatchNorm1d(10), tokens=mlp(10, 14, 10),
        gate=nn.Linear(16, 16), close=nn.Linear(16, 16), weight=nn.Parameter(torch.randn(18, 16)),
        last=nn.Parameter(torch.randn(18, 4)),
    )  # fmt: skip
