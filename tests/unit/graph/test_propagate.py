"""The walk: computed weights, barriers and its size."""

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
from edgekit.program.program import Program, trace
from edgekit.types import InputSpec
from tests.unit.graph.small import (
    Net,
    check,
    found,
    pair,
    widths,
)


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
    """A silent unit is still as far from a point as the point's coordinate; the cut is not."""
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


def test_deep_chain_is_linear_in_nodes() -> None:
    """Doubling the network must not quadruple the number of labels."""

    def labels(depth: int) -> int:
        sizes = [5, *[16] * depth, 3]
        layers = [nn.Sequential(nn.Linear(a, b), nn.ReLU()) for a, b in pairwise(sizes)]
        graph = found(nn.Sequential(*layers), 5)
        assert len(graph.groups) == depth
        return sum(len(slot.units) for g in graph.groups for slot in g.slots)

    assert labels(20) == 2 * labels(10)
