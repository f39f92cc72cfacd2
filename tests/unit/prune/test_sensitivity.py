"""Damage measured cut by cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.graph.graph import WidthGraph, analyze
from edgekit.program.program import trace
from edgekit.prune.importance import importance
from edgekit.prune.sensitivity import divergence, mean_divergence, sensitivity
from edgekit.types import InputSpec


class Branch(nn.Module):
    def __init__(self, width: int, strength: float) -> None:
        super().__init__()
        self.inner = nn.Conv2d(width, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8, momentum=1.0)
        self.outer = nn.Conv2d(8, width, 3, padding=1)
        with torch.no_grad():
            self.outer.weight.mul_(strength)
            self.outer.bias.zero_()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.outer(self.norm(self.inner(x)).relu())


def test_a_branch_that_adds_nothing_does_no_damage(graph: WidthGraph) -> None:
    scores = {group.id: np.ones(group.units) for group in graph.groups}
    samples = torch.randn(32, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    found = sensitivity(graph, scores, [(samples,)], blocks=graph.blocks)
    strong, idle = (block.id for block in graph.blocks)
    assert found.blocks[idle] == pytest.approx(1e-5)
    assert found.blocks[strong] > 100 * found.blocks[idle]
    assert [width for width, _ in found.groups[f"{strong}.inner"]] == [4, 2]
    assert set(found.groups) == {group.id for group in graph.groups}


def test_a_softmax_at_the_end_changes_nothing() -> None:
    torch.manual_seed(0)
    logits = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4))
    samples, labels = 4 * torch.randn(32, 6), torch.randint(4, (32,))
    found = []
    for network in (logits, nn.Sequential(*logits, nn.Softmax(1))):
        graph = analyze(trace(network, (InputSpec(shape=(6,)),)))
        scores = importance(graph, "taylor", batches=[(samples, labels)])
        [group] = graph.groups
        damage = sensitivity(graph, scores, [(samples,)]).groups[group.id]
        found.append((scores[group.id], [loss for _, loss in damage]))
    (plain, losses), (squashed, squashed_losses) = found
    np.testing.assert_allclose(squashed, plain, rtol=1e-4)
    assert squashed_losses == pytest.approx(losses, rel=1e-3)


class Named(nn.Module):
    """One branch for each of two outputs, in a dictionary, and a decision."""

    def __init__(self, *order: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.order = order
        self.first, self.second = Branch(3, 3.0), Branch(3, 3.0)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        first, second = self.first(x), self.second(x)
        given = {"first": first, "second": second, "best": first.argmax(1)}
        return {name: given[name] for name in self.order}


def test_a_cut_that_harms_any_output_of_a_dictionary_counts() -> None:
    samples = torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    found = []
    for order in (("first", "second", "best"), ("best", "second", "first")):
        graph = analyze(trace(Named(*order).eval(), (InputSpec(shape=(3, 8, 8)),)))
        scores = {group.id: np.ones(group.units) for group in graph.groups}
        harm = sensitivity(graph, scores, [(samples,)])
        assert set(harm.groups) == {"first.inner", "second.inner"}
        assert all(loss > 1e-3 for cuts in harm.groups.values() for _, loss in cuts)
        found.append(harm.groups)
    for name, cuts in found[0].items():
        for ours, theirs in zip(found[1][name], cuts, strict=True):
            assert ours == pytest.approx(theirs, rel=1e-4)


def test_equal_networks_do_not_differ_by_less_than_nothing() -> None:
    """Sums of rounded logarithms came to -1e-8, and a power of that is a complex number."""
    draw = torch.Generator().manual_seed(0)
    for _ in range(100):
        logits = torch.randn(60, 10, generator=draw)
        assert 0.0 <= divergence(logits + 1e-7, logits) < 1e-6


def test_outputs_that_are_no_numbers_do_the_most_damage() -> None:
    logits = torch.randn(8, 10, generator=torch.Generator().manual_seed(0))
    broken = logits.clone()
    broken[3, 2] = torch.nan
    assert np.isnan(divergence(broken, logits))
    assert mean_divergence([[broken]], [[logits]]) == 1e3
