"""Norms, reductions and softmax: groups found, cuts exact."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgekit.graph.surgery import shrink
from tests.unit.graph.small import (
    Between,
    Net,
    check,
    check_between,
    found,
    widths,
)
from tests.unit.graph.test_surgery import drop, error, output

NORMS = {
    "group norm": (nn.GroupNorm(3, 12), {"one.group": (3, True), "one": (4, False)}),
    "one group": (nn.GroupNorm(1, 12), {"one": (12, False)}),
    "each channel": (nn.GroupNorm(12, 12), {"one": (12, True)}),
    "instance norm": (nn.InstanceNorm2d(12, affine=True), {"one": (12, True)}),
    "batch norm": (nn.BatchNorm2d(12), {"one": (12, True)}),
    "plain batch norm": (nn.BatchNorm2d(12, affine=False), {"one": (12, True)}),
    "prelu": (nn.PReLU(12), {"one": (12, True)}),
}


@pytest.mark.parametrize("name", NORMS)
def test_norms(name: str) -> None:
    norm, expected = NORMS[name]
    one, other = nn.Conv2d(2, 12, 1), nn.Conv2d(12, 3, 1)
    graph = found(
        Net(lambda n, x: n.other(n.norm(n.one(x))), one=one, norm=norm, other=other),
        2, 4, 4,
    )  # fmt: skip
    assert widths(graph) == expected
    for exact in {exact for _, exact in expected.values()}:
        check(graph, exact=exact)


@pytest.mark.parametrize("norm", [nn.LayerNorm(8), nn.RMSNorm(8)])
def test_a_norm_over_the_width_counts_what_stays(norm: nn.Module) -> None:
    """No masking equals this cut: the norm is over fewer units. Its algebra is checked."""
    one, other = nn.Linear(5, 8), nn.Linear(8, 3)
    network = Net(
        lambda n, x: n.other(n.norm(n.one(x))), one=one, norm=norm, other=other
    )
    graph = found(network, 5)
    assert widths(graph) == {"one": (8, False)}
    plan = drop(graph.groups, fraction=0.5)
    (kept,) = (list(units) for units in plan.kept.values())
    x = torch.randn(4, 5)
    hidden = one(x)[:, kept]
    if isinstance(norm, nn.LayerNorm):
        hidden = F.layer_norm(hidden, [4], norm.weight[kept], norm.bias[kept])
    else:
        hidden = F.rms_norm(hidden, [4], norm.weight[kept])
    expected = F.linear(hidden, other.weight[:, kept], other.bias)
    assert error(output(shrink(graph, plan), x), expected.detach()) < 1e-5


def test_a_norm_marks_what_is_tied_to_it_later() -> None:
    def run(n: Net, x: Tensor) -> Tensor:
        y = n.one(x)
        return n.last(y + n.norm(n.two(x)))

    layers = {name: nn.Linear(5, 8) for name in ("one", "two")}
    graph = found(Net(run, **layers, norm=nn.LayerNorm(8), last=nn.Linear(8, 3)), 5)
    assert widths(graph) == {"one": (8, False)}


CASES: dict[str, Between] = {
    "norm": (6, lambda t: t / t.norm(dim=1, keepdim=True), 6, {"one": (6, True)}),
    "mean": (6, lambda t: t - t.mean(1, keepdim=True), 6, {"one": (6, False)}),
    "sum": (6, lambda t: t + t.sigmoid().sum(1, keepdim=True), 6, {"one": (6, True)}),
    "max": (6, lambda t: t - t.amax(1, keepdim=True), 6, {"one": (6, False)}),
    "softmax": (6, lambda t: t.softmax(1), 6, {"one": (6, False)}),
    "sort": (6, lambda t: t.sort(1).values, 6, {}),
    "places": (6, lambda t: t * t.argmax(1, keepdim=True), 6, {}),
    "transform": (6, lambda t: torch.fft.fft(t, dim=1).real, 6, {}),
    "cumsum": (6, lambda t: t.cumsum(1), 6, {"one": (6, True)}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_between_two_convolutions(name: str) -> None:
    check_between(CASES[name])
