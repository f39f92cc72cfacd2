"""Small networks by functions, their groups, and a check of exact cuts."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from edgekit.graph.graph import WidthGraph, analyze
from edgekit.graph.surgery import mask, shrink
from edgekit.program.program import trace
from edgekit.types import InputSpec
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
        plan = drop(groups, fraction=0.5, seed=3)
        small = shrink(graph, plan)
        result = output(small, x)
        assert torch.allclose(output(small, x[:1]), result[:1], atol=1e-5)
        if exact:
            assert error(result, output(mask(graph, plan), x)) < 1e-5


def pair(one: nn.Module, other: nn.Module, between: Callable[[Tensor], Tensor]) -> Net:
    return Net(lambda n, x: n.other(between(n.one(x))), one=one, other=other)


Between = tuple[int, Callable[[Tensor], Tensor], int, dict[str, tuple[int, bool]]]


def check_between(case: Between) -> None:
    """A function between two convolutions: width, function, inputs after it, groups."""
    width, between, inputs, expected = case
    one, other = nn.Conv2d(2, width, 1), nn.Conv2d(inputs, 3, 1)
    graph = found(pair(one, other, between), 2, 4, 4)
    assert widths(graph) == expected
    if expected:
        check(graph, exact=all(exact for _, exact in expected.values()))
    else:
        assert len(graph.barriers) == 1
