"""One small network for each operator with a rule of its own: groups found, cuts exact."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from edgekit.graph.graph import WidthGraph, analyze
from edgekit.graph.labels import Axes
from edgekit.graph.propagate import Call, Walk, walk
from edgekit.graph.rules import RULES
from edgekit.graph.surgery import mask, shrink
from edgekit.program.program import Program, trace
from edgekit.types import InputSpec, Plan
from tests.unit.graph.test_surgery import drop, error, output


class Net(nn.Module):
    """Layers by name and a function that runs them."""

    def __init__(
        self, run: Callable[[Net, Tensor], Tensor], **layers: nn.Module | Tensor
    ) -> None:
        super().__init__()
        self.run = run
        for name, layer in layers.items():
            is_module = isinstance(layer, nn.Module)
            setattr(self, name, layer if is_module else nn.Parameter(layer))

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


def found(network: nn.Module, *shape: int) -> WidthGraph:
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() == 1:
                parameter.uniform_(0.5, 1.5)
    return analyze(trace(network.eval(), (InputSpec(shape=shape),)))


def widths(graph: WidthGraph) -> dict[str, tuple[int, bool]]:
    return {group.id: (group.units, group.exact) for group in graph.groups}


def check(graph: WidthGraph, *, exact: bool = True) -> None:
    """Cut each group alone and all together, at batch 1 and 4."""
    (spec,) = graph.program.inputs
    x = torch.randn(4, *spec.shape, generator=torch.Generator().manual_seed(2))
    chosen = [g for g in graph.groups if g.exact == exact]
    assert chosen
    for groups in (*([g] for g in chosen), chosen):
        plan = drop(groups, share=0.5, seed=3)
        small = shrink(graph, plan)
        result = output(small, x)
        assert torch.allclose(output(small, x[:1]), result[:1], atol=1e-5)
        if exact:
            assert error(result, output(mask(graph, plan), x)) < 1e-5


def pair(one: nn.Module, other: nn.Module, between: Callable[[Tensor], Tensor]) -> Net:
    return Net(lambda n, x: n.other(between(n.one(x))), one=one, other=other)


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


BETWEEN = {
    "pixel shuffle": (16, lambda t: F.pixel_shuffle(t, 2), 4, {"one": (4, True)}),
    "pixel unshuffle": (8, lambda t: F.pixel_unshuffle(t, 2), 32, {"one": (8, True)}),
    "channel shuffle": (
        12, lambda t: F.channel_shuffle(t, 3), 12, {"one": (3, True), "one.2": (4, True)},
    ),
    "glu": (16, lambda t: F.glu(t, 1), 8, {"one": (8, True)}),
    "chunk and gate": (
        16, lambda t: t.chunk(2, 1)[0] * t.chunk(2, 1)[1].sigmoid(), 8, {"one": (8, True)},
    ),
    "split": (
        12,
        lambda t: torch.cat([t.split([4, 8], 1)[1], t.split([4, 8], 1)[0]], 1),
        12,
        {"one": (4, True), "one.2": (8, True)},
    ),
    "slice": (12, lambda t: t[:, 4:10], 6, {"one": (6, True), "one.2": (6, True)}),
    "narrow": (12, lambda t: t.narrow(1, 2, 6), 6, {"one": (6, True), "one.2": (6, True)}),
    "even and odd": (
        12, lambda t: torch.stack([t[:, ::2], -t[:, 1::2]], 2).flatten(1, 2), 12,
        {"one": (6, True)},
    ),
    "select": (8, lambda t: t * t[:, 3:4], 8, {"one": (7, True)}),
    "pick": (8, lambda t: t * t[:, 3].unsqueeze(1), 8, {"one": (7, True)}),
    "repeat": (6, lambda t: t.repeat(1, 3, 1, 1), 18, {"one": (6, True), "other": (3, True)}),
    "repeat_interleave": (
        6, lambda t: t.repeat_interleave(3, 1), 18, {"one": (6, True), "other": (3, True)},
    ),
    "pad": (6, lambda t: F.pad(t, (1, 1, 1, 1, 2, 3)), 11, {"one": (6, True), "other": (5, True)}),
    "upsample": (6, lambda t: F.interpolate(t, scale_factor=2), 6, {"one": (6, True)}),
    "bilinear": (
        6, lambda t: F.interpolate(t, size=(7, 7), mode="bilinear"), 6, {"one": (6, True)},
    ),
    "pooling": (6, lambda t: F.avg_pool2d(t, 2) + F.max_pool2d(t, 2), 6, {"one": (6, True)}),
    "adaptive": (6, lambda t: F.adaptive_max_pool2d(t, 2), 6, {"one": (6, True)}),
    "clamp": (6, lambda t: t.clamp(0.2, 2).masked_fill(t > 1, 3.0), 6, {"one": (6, True)}),
    "permute": (6, lambda t: t.permute(0, 2, 3, 1).relu().movedim(3, 1), 6, {"one": (6, True)}),
    "norm": (6, lambda t: t / t.norm(dim=1, keepdim=True), 6, {"one": (6, True)}),
    "mean": (6, lambda t: t - t.mean(1, keepdim=True), 6, {"one": (6, False)}),
    "sum": (6, lambda t: t + t.sigmoid().sum(1, keepdim=True), 6, {"one": (6, True)}),
    "max": (6, lambda t: t - t.amax(1, keepdim=True), 6, {"one": (6, False)}),
    "softmax": (6, lambda t: t.softmax(1), 6, {"one": (6, False)}),
    "flip": (6, lambda t: t.flip(1), 6, {"one": (6, True)}),
    "sort": (6, lambda t: t.sort(1).values, 6, {}),
    "places": (6, lambda t: t * t.argmax(1, keepdim=True), 6, {}),
    "transform": (6, lambda t: torch.fft.fft(t, dim=1).real, 6, {}),
    "roll": (6, lambda t: t.roll(1, 1), 6, {}),
    "index": (6, lambda t: t[:, [3, 1, 2, 0, 5, 4]], 6, {}),
    "cumsum": (6, lambda t: t.cumsum(1), 6, {"one": (6, True)}),
}  # fmt: skip


@pytest.mark.parametrize("name", BETWEEN)
def test_between_two_convolutions(name: str) -> None:
    width, between, inputs, expected = BETWEEN[name]
    one, other = nn.Conv2d(2, width, 1), nn.Conv2d(inputs, 3, 1)
    graph = found(pair(one, other, between), 2, 4, 4)
    assert widths(graph) == expected
    if expected:
        check(graph, exact=all(exact for _, exact in expected.values()))
    else:
        assert len(graph.barriers) == 1


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
    plan = drop(graph.groups, share=0.5)
    (kept,) = (list(units) for units in plan.kept.values())
    x = torch.randn(4, 5)
    hidden = one(x)[:, kept]
    if isinstance(norm, nn.LayerNorm):
        hidden = F.layer_norm(hidden, [4], norm.weight[kept], norm.bias[kept])
    else:
        hidden = F.rms_norm(hidden, [4], norm.weight[kept])
    expected = F.linear(hidden, other.weight[:, kept], other.bias)
    assert error(output(shrink(graph, plan), x), expected.detach()) < 1e-5


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


def test_relative_position_bias() -> None:
    index = torch.arange(36).reshape(6, 6) % 11

    def run(n: Net, x: Tensor) -> Tensor:
        q, k, v = n.qkv(x).unflatten(-1, (3, 4, 2)).permute(2, 0, 3, 1, 4)
        bias = n.table[index.flatten()].view(6, 6, 4).permute(2, 0, 1).contiguous()
        weights = (q @ k.transpose(-2, -1) + bias.unsqueeze(0)).softmax(-1)
        return n.out((weights @ v).transpose(1, 2).flatten(2))

    layers = {
        "qkv": nn.Linear(5, 24),
        "table": torch.randn(11, 4),
        "out": nn.Linear(8, 5),
    }
    graph = found(Net(run, **layers), 6, 5)
    assert widths(graph) == {"qkv.head": (4, True), "qkv.head_dim": (2, True)}
    assert any(s.parameter == "table" for s in graph.groups[0].slots)
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


def test_layer_scale_and_a_parameter_used_twice() -> None:
    def run(n: Net, x: Tensor) -> Tensor:
        x = n.one(x)
        for _ in range(2):
            x = x + n.scale * n.down(n.up(x).relu())
        return n.head(x)

    sizes = {"one": (5, 8), "up": (8, 12), "down": (12, 8), "head": (8, 3)}
    layers = {name: nn.Linear(*size) for name, size in sizes.items()}
    graph = found(Net(run, **layers, scale=torch.rand(8) + 0.5), 5)
    assert widths(graph) == {"one": (8, True), "up": (12, True)}
    assert len(graph.blocks) == 2
    check(graph)


def test_addmm_and_bmm_with_parameters() -> None:
    def run(n: Net, x: Tensor) -> Tensor:
        x = torch.addmm(n.bias, x, n.weight).relu()
        return x.unsqueeze(1).bmm(n.last.expand(x.shape[0], -1, -1)).squeeze(1)

    weight, last = torch.randn(5, 8), torch.randn(1, 8, 3)
    graph = found(Net(run, bias=torch.randn(8), weight=weight, last=last), 5)
    assert [units for units, _ in widths(graph).values()] == [8]
    check(graph)


def _weight_norm(n: Net, w: Tensor) -> Tensor:
    return torch._weight_norm(w, n.gain, 0)


def _spectral_norm(n: Net, w: Tensor) -> Tensor:
    return w / torch.dot(n.left, torch.mv(w, n.right))


def _standardized(n: Net, w: Tensor) -> Tensor:
    return (w - w.mean(1, keepdim=True)) / w.std(1, keepdim=True)


def _by_batch_norm(n: Net, w: Tensor) -> Tensor:
    return F.instance_norm(w.unsqueeze(0)).squeeze(0)


def traced(network: nn.Module, *shape: int) -> WidthGraph:
    """As torch exports it: what a network computes from weights alone is not folded."""
    batch = ({0: torch.export.Dim("batch")},)
    exported = torch.export.export(
        network.eval(), (torch.zeros(2, *shape),), dynamic_shapes=batch
    )
    module = exported.module(check_guards=False)
    assert isinstance(module, fx.GraphModule)
    program = Program(
        module=module, inputs=(InputSpec(shape=shape),), dtypes=(torch.float32,)
    )
    return analyze(program)


COMPUTED = (
    _weight_norm,
    _spectral_norm,
    _standardized,
    _by_batch_norm,
    lambda n, w: F.normalize(w, dim=1),
    lambda n, w: w / w.sum(1, keepdim=True),
    lambda n, w: w.softmax(1),
    lambda n, w: w.cumsum(1),
    lambda n, w: w / w.abs().amax(1, keepdim=True),
)


@pytest.mark.parametrize("computed", COMPUTED)
def test_weights_that_depend_on_other_units_weights_are_not_exact(
    computed: Callable[[Net, Tensor], Tensor],
) -> None:
    """A unit's silence leaves its weights in such a sum, a cut does not."""

    def run(n: Net, x: Tensor) -> Tensor:
        return F.linear(F.relu(n.one(x)), computed(n, n.weight))

    graph = traced(
        Net(
            run, one=nn.Linear(5, 8), weight=torch.randn(3, 8), gain=torch.rand(3, 1),
            left=torch.rand(3), right=torch.rand(8),
        ),
        5,
    )  # fmt: skip
    assert [(group.units, group.exact) for group in graph.groups] == [(8, False)]


def test_points_that_are_weights_keep_their_distance_and_length() -> None:
    """A silent unit is still as far from a point as the point says; the cut is not."""
    for compare in (torch.cdist, lambda x, y: F.cosine_similarity(x[:, None], y, -1)):
        network = Net(
            lambda n, x, f=compare: f(n.one(x), n.points),
            one=nn.Linear(5, 8), points=torch.randn(3, 8),
        )  # fmt: skip
        assert widths(found(network, 5)) == {"one": (8, False)}


def test_a_product_of_weights_over_units_of_its_own_is_exact() -> None:
    def run(n: Net, x: Tensor) -> Tensor:
        return F.linear(x, n.up @ n.down)

    graph = traced(Net(run, up=torch.randn(3, 6), down=torch.randn(6, 5)), 5)
    assert list(widths(graph).values()) == [(6, True)]
    check(graph)


def test_a_rule_that_does_not_cover_a_use_is_a_barrier_not_a_traceback() -> None:
    def fails(walk: Walk, call: Call) -> Axes:
        raise IndexError("no such dimension")

    def misfits(walk: Walk, call: Call) -> Axes:
        return walk.of(call["self"])[1:]

    network = pair(nn.Linear(5, 8), nn.Linear(8, 3), F.relu)
    program = trace(network, (InputSpec(shape=(5,)),))
    for rule, why in ((fails, "IndexError"), (misfits, "does not fit")):
        state = walk(program.module.graph, RULES | {"relu": rule})
        (node,) = (n for n in program.module.graph.nodes if n.name == "linear")
        reasons = {
            r for label in state.of(node)[-1] or () for r in state.labels.reasons(label)
        }
        assert {r.operator for r in reasons if r.barrier} == {"relu"}
        assert all(why in reason.why for reason in reasons)


def test_a_recurrent_layer_over_channels_keeps_them() -> None:
    def run(n: Net, x: Tensor) -> Tensor:
        return n.cells(n.one(x))[0].mean(1)

    layers = {"one": nn.Conv1d(2, 6, 1), "cells": nn.GRU(4, 5, batch_first=True)}
    graph = found(Net(run, **layers), 2, 4)
    assert "one" not in widths(graph)


def test_a_norm_marks_what_is_tied_to_it_later() -> None:
    def run(n: Net, x: Tensor) -> Tensor:
        y = n.one(x)
        return n.last(y + n.norm(n.two(x)))

    layers = {name: nn.Linear(5, 8) for name in ("one", "two")}
    graph = found(Net(run, **layers, norm=nn.LayerNorm(8), last=nn.Linear(8, 3)), 5)
    assert widths(graph) == {"one": (8, False)}


def test_an_in_place_operator_after_a_dropped_block_spares_the_stream() -> None:
    def run(n: Net, x: Tensor) -> Tensor:
        x = n.one(x)
        y = (x + n.two(x)).relu_()
        return n.last(torch.cat([x, y], 1))

    layers = {"one": nn.Linear(5, 8), "two": nn.Linear(8, 8), "last": nn.Linear(16, 3)}
    graph = found(Net(run, **layers), 5)
    plan = Plan(kept={}, dropped_blocks=("two",))
    x = torch.randn(4, 5)
    assert error(output(shrink(graph, plan), x), output(mask(graph, plan), x)) < 1e-5


def test_squeeze_does_not_follow_a_width_down_to_one() -> None:
    def run(n: Net, x: Tensor) -> Tensor:
        x = F.adaptive_avg_pool2d(n.one(x).relu(), 1)
        return n.last(x.squeeze(3).squeeze(2))

    graph = found(Net(run, one=nn.Conv2d(2, 6, 1), last=nn.Linear(6, 3)), 2, 4, 4)
    (group,) = graph.groups
    plan = drop([group], share=0.99)
    assert [len(units) for units in plan.kept.values()] == [1]
    x = torch.randn(4, 2, 4, 4)
    assert error(output(shrink(graph, plan), x), output(mask(graph, plan), x)) < 1e-5


def test_deep_chain_is_linear_in_nodes() -> None:
    """Doubling the network must not quadruple the number of labels."""

    def labels(depth: int) -> int:
        sizes = [5, *[16] * depth, 3]
        layers = [nn.Sequential(nn.Linear(a, b), nn.ReLU()) for a, b in pairwise(sizes)]
        graph = found(nn.Sequential(*layers), 5)
        assert len(graph.groups) == depth
        return sum(len(slot.units) for g in graph.groups for slot in g.slots)

    assert labels(20) == 2 * labels(10)
