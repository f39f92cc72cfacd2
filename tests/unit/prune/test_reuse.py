"""Variants of a network take over what they leave as it was."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn
from torch.utils._python_dispatch import TorchDispatchMode

from edgekit.graph.graph import WidthGraph, analyze
from edgekit.graph.surgery import shrink
from edgekit.program.named_outputs import tensors
from edgekit.program.program import set_training, trace
from edgekit.prune.reuse import Reuse
from edgekit.types import InputSpec, Plan

CONVOLUTION = "aten.convolution.default"


class Calls(TorchDispatchMode):
    """Count the operators that really run."""

    def __init__(self) -> None:
        super().__init__()
        self.count = Counter[str]()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.count[str(func)] += 1
        return func(*args, **(kwargs or {}))


def batches(count: int = 2) -> list[tuple[Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [(torch.randn(16, 3, 8, 8, generator=generator),) for _ in range(count)]


def variant(graph: WidthGraph, plan: Plan) -> fx.GraphModule:
    module = shrink(graph, plan).module
    set_training(module, True, only="aten::batch_norm")
    return module


def plans(graph: WidthGraph) -> list[Plan]:
    cut = [Plan(kept={group.id: (1, 2)}) for group in graph.groups]
    dropped = [Plan(kept={}, dropped_blocks=(block.id,)) for block in graph.blocks]
    return [Plan(kept={}), *cut, *dropped]


@pytest.mark.parametrize("kept_bytes", [1 << 30, 0])
def test_outputs_are_those_of_the_variants_alone(
    graph: WidthGraph, kept_bytes: int
) -> None:
    """Cuts of every group and drops of every block, whether or not values have room."""
    reuse = Reuse(variant(graph, Plan(kept={})), batches(), kept_bytes)
    assert len(plans(graph)) == 6
    for plan in plans(graph) * 2:
        found = reuse.outputs(variant(graph, plan))
        alone = variant(graph, plan)
        for ours, inputs in zip(found, batches(), strict=True):
            [theirs] = tensors(alone(*inputs))
            torch.testing.assert_close(ours[0], theirs, rtol=0, atol=0)


def test_only_the_part_behind_a_cut_runs(graph: WidthGraph) -> None:
    """Five convolutions for the network once, and the two of its last branch for its cut."""
    last = graph.blocks[-1].id
    reuse = Reuse(variant(graph, Plan(kept={})), batches(1))
    module = variant(graph, Plan(kept={f"{last}.inner": (0, 1)}))
    with Calls() as first:
        list(reuse.outputs(module))
    with Calls() as again:
        list(reuse.outputs(module))
    assert first.count[CONVOLUTION] == 5
    assert again.count[CONVOLUTION] == 2


class Counting(nn.Module):
    """Counts its calls in a buffer, and adds the count."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Tensor
        self.register_buffer("calls", torch.zeros(()))
        self.body = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4))

    def forward(self, x: Tensor) -> Tensor:
        self.calls.add_(1.0)
        return self.body(x) + self.calls


def test_state_is_each_variants_own() -> None:
    """Each variant writes a count of its own."""
    torch.manual_seed(0)
    graph = analyze(trace(Counting().eval(), (InputSpec(shape=(4,)),)))
    whole, samples = Plan(kept={}), [(torch.randn(3, 4),), (torch.randn(3, 4),)]
    reuse = Reuse(shrink(graph, whole).module, samples, kept_bytes=0)
    for _ in range(2):
        found, alone = shrink(graph, whole).module, shrink(graph, whole).module
        for ours, inputs in zip(reuse.outputs(found), samples, strict=True):
            torch.testing.assert_close(ours[0], tensors(alone(*inputs))[0])
