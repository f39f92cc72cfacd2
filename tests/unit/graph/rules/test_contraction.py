"""Products that sum over a dimension: groups found, cuts exact."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.unit.graph.small import (
    Net,
    check,
    found,
    pair,
    widths,
)

CONVOLUTIONS = {
    "1d": (nn.Conv1d(2, 8, 3), nn.Conv1d(8, 4, 3), (2, 12)),
    "3d": (nn.Conv3d(2, 8, 3), nn.Conv3d(8, 4, 2), (2, 5, 5, 5)),
    "transposed": (nn.ConvTranspose2d(2, 8, 3), nn.ConvTranspose2d(8, 4, 2), (2, 4, 4)),
    "transposed 1d": (nn.ConvTranspose1d(2, 8, 3), nn.Conv1d(8, 4, 3), (2, 6)),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions(name: str) -> None:
    one, other, shape = CONVOLUTIONS[name]
    graph = found(pair(one, other, F.relu), *shape)
    assert widths(graph) == {"one": (8, True)}
    check(graph)


def test_grouped_transposed_convolution() -> None:
    one, other = nn.Conv2d(2, 8, 1), nn.ConvTranspose2d(8, 12, 3, groups=4)
    last = nn.Conv2d(12, 3, 1)
    graph = found(
        Net(lambda n, x: n.last(n.other(n.one(x))), one=one, other=other, last=last),
        2, 4, 4,
    )  # fmt: skip
    assert widths(graph) == {
        "one.group": (4, True),
        "one": (2, True),
        "other": (3, True),
    }
    check(graph)


def attend(n: Net, x: Tensor) -> Tensor:
    """Attention in einsum: length l, heads h, dimensions d and e."""
    q, k, v = (w(x).unflatten(-1, (4, -1)) for w in (n.q, n.k, n.v))
    weights = torch.einsum("blhd,bmhd->bhlm", q, k).softmax(-1)
    return n.out(torch.einsum("bhlm,bmhe->blhe", weights, v).flatten(2))


def test_einsum() -> None:
    layers = {
        name: nn.Linear(5, 4 * size) for name, size in (("q", 3), ("k", 3), ("v", 2))
    }
    graph = found(Net(attend, **layers, out=nn.Linear(8, 5)), 6, 5)
    assert widths(graph) == {
        "q.head": (4, True),
        "q.head_dim": (3, True),
        "v.head_dim": (2, True),
    }
    check(graph)


def test_einsum_with_a_parameter() -> None:
    def run(n: Net, x: Tensor) -> Tensor:
        return n.last(torch.einsum("bi,ij->bj", n.one(x), n.weight))

    layers = {
        "one": nn.Linear(5, 8),
        "weight": torch.randn(8, 6),
        "last": nn.Linear(6, 3),
    }
    graph = found(Net(run, **layers), 5)
    assert widths(graph) == {"one": (8, True), "weight": (6, True)}
    check(graph)


def test_positive_features_are_masked_where_they_meet() -> None:
    """Linear attention: elu(0) + 1 is not 0, so zeroed weights alone do not silence a unit."""

    def run(n: Net, x: Tensor) -> Tensor:
        q, k, v = F.elu(n.q(x)) + 1, F.elu(n.k(x)) + 1, n.v(x)
        return n.out(q @ (k.transpose(1, 2) @ v))

    layers = {name: nn.Linear(5, 6) for name in ("q", "k", "v")}
    graph = found(Net(run, **layers, out=nn.Linear(6, 5)), 7, 5)
    assert widths(graph) == {"q.head_dim": (6, True), "v.head_dim": (6, True)}
    check(graph)


def test_grouped_query_attention_by_the_operator() -> None:
    def run(n: Net, x: Tensor) -> Tensor:
        q = n.q(x).unflatten(-1, (6, 4)).transpose(1, 2)
        k, v = (w(x).unflatten(-1, (2, 4)).transpose(1, 2) for w in (n.k, n.v))
        y = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
        return n.out(y.transpose(1, 2).flatten(2))

    layers = {
        name: nn.Linear(5, size) for name, size in (("q", 24), ("k", 8), ("v", 8))
    }
    graph = found(Net(run, **layers, out=nn.Linear(24, 5)), 7, 5)
    assert sorted(widths(graph).values()) == [
        (2, True),
        (3, True),
        (4, True),
        (4, True),
    ]
    check(graph)


def test_addmm_and_bmm_with_parameters() -> None:
    def run(n: Net, x: Tensor) -> Tensor:
        x = torch.addmm(n.bias, x, n.weight).relu()
        return x.unsqueeze(1).bmm(n.last.expand(x.shape[0], -1, -1)).squeeze(1)

    weight, last = torch.randn(5, 8), torch.randn(1, 8, 3)
    graph = found(Net(run, bias=torch.randn(8), weight=weight, last=last), 5)
    assert [units for units, _ in widths(graph).values()] == [8]
    check(graph)
