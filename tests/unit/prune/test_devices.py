"""Importance, sensitivity and repairs of a cut on another device: nothing stays behind."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgekit.graph.graph import WidthGraph, analyze
from edgekit.program.placement import place, placed
from edgekit.program.program import Program, trace
from edgekit.prune.batch_norm import reestimated
from edgekit.prune.importance import CRITERIA, importance
from edgekit.prune.objective import keep_best
from edgekit.prune.reconstruct import reconstruct
from edgekit.prune.sensitivity import sensitivity
from edgekit.types import InputSpec
from tests.elsewhere import DEVICE, Elsewhere, SecondDevice

IMAGE = InputSpec(shape=(3, 8, 8))


class Net(nn.Module):
    """A residual block, a position that the network makes itself, and two tied layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8))
        self.inner = nn.Conv2d(8, 12, 3, padding=1)
        self.outer = nn.Sequential(nn.Conv2d(12, 8, 3, padding=1), nn.BatchNorm2d(8))
        self.wide, self.tied = nn.Linear(8, 8), nn.Linear(8, 8)
        self.tied.weight = self.wide.weight
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x).relu()
        x = (x + self.outer(self.inner(x).relu())).relu()
        x = x * (1 + torch.arange(x.shape[3]) / 8)
        x = self.tied(self.wide(x.mean((2, 3))).relu()).relu()
        return self.head(x)


@pytest.fixture
def graph() -> WidthGraph:
    torch.manual_seed(0)
    return analyze(trace(Net(), (IMAGE,)))


@pytest.fixture
def second() -> Iterator[SecondDevice]:
    with SecondDevice() as mode:
        yield mode


def samples() -> list[tuple[Tensor, ...]]:
    drawn = torch.randn(24, *IMAGE.shape, generator=torch.Generator().manual_seed(1))
    return [(part,) for part in drawn.split(12)]


def here(program: Program) -> bool:
    held = [*program.module.parameters(), *program.module.buffers()]
    return not any(isinstance(each, Elsewhere) for each in held)


@pytest.mark.parametrize("labeled", [True, False])
@pytest.mark.parametrize("criterion", CRITERIA)
def test_importance_is_that_of_the_cpu(
    graph: WidthGraph, second: SecondDevice, criterion: str, labeled: bool
) -> None:
    labels = torch.arange(12) % 5 if labeled else None
    given = [(inputs, labels) for inputs in samples()]
    held = {name: id(p) for name, p in graph.program.module.named_parameters()}
    expected = importance(graph, criterion, batches=given, device=torch.device("cpu"))
    before = second.seen
    found = importance(graph, criterion, batches=given, device=DEVICE)
    by_weights = criterion in ("l1", "l2", "batchnorm")
    assert (second.seen > before + 20) != by_weights
    assert {*found} == {*expected}
    for name, scores in found.items():
        np.testing.assert_allclose(scores, expected[name], rtol=1e-5)
    assert here(graph.program)
    assert held == {name: id(p) for name, p in graph.program.module.named_parameters()}


def test_sensitivity_is_that_of_the_cpu(
    graph: WidthGraph, second: SecondDevice
) -> None:
    scores = importance(graph, "l2")
    given = {"blocks": graph.blocks}
    expected = sensitivity(
        graph, scores, samples(), device=torch.device("cpu"), **given
    )
    before = second.seen
    found = sensitivity(graph, scores, samples(), device=DEVICE, **given)
    assert second.seen > before + 100
    assert {*found.groups} == {*expected.groups} and found.blocks
    for name, pairs in found.groups.items():
        np.testing.assert_allclose(pairs, expected.groups[name], rtol=1e-4)
    assert here(graph.program)


def test_a_fitted_network_is_that_of_the_cpu(
    graph: WidthGraph, second: SecondDevice
) -> None:
    scores = importance(graph, "l2")
    widths = {group.id: max(2, group.units - 3) for group in graph.groups}
    plan = keep_best(graph.groups, widths, scores)
    given = torch.cat([inputs[0] for inputs in samples()])
    expected = reconstruct(graph, plan, (given,), device=torch.device("cpu"))
    before = second.seen
    found = reconstruct(graph, plan, (given,), device=DEVICE)
    assert second.seen > before + 50
    assert here(found) and here(graph.program)
    with torch.no_grad():
        torch.testing.assert_close(
            found.module(given), expected.module(given), rtol=1e-4, atol=1e-5
        )


def test_statistics_are_taken_again(second: SecondDevice) -> None:
    program = trace(Net(), (IMAGE,))
    expected = reestimated(program, samples(), device=torch.device("cpu"))
    before = second.seen
    found = reestimated(program, samples(), device=DEVICE)
    assert second.seen > before + 10
    assert here(found) and here(program)
    torch.testing.assert_close(found.module.state_dict(), expected.module.state_dict())


def test_what_a_module_held_comes_back(second: SecondDevice) -> None:
    program = trace(Net(), (IMAGE,))
    before = dict(program.module.named_parameters(remove_duplicate=False))
    code = program.module.code
    with placed(program.module, DEVICE):
        inside = dict(program.module.named_parameters(remove_duplicate=False))
        assert all(isinstance(each, Elsewhere) for each in inside.values())
        assert len({*map(id, inside.values())}) == len({*map(id, before.values())})
        assert "meta" in program.module.code
        (x,) = samples()[0]
        assert isinstance(program.module(x.to(DEVICE)), Elsewhere)
    after = dict(program.module.named_parameters(remove_duplicate=False))
    assert all(after[name] is each for name, each in before.items())
    assert program.module.code == code


def test_two_devices_do_not_mix(second: SecondDevice) -> None:
    program = trace(Net(), (IMAGE,))
    place(program.module, DEVICE)
    with pytest.raises(AssertionError, match="two devices"):
        program.module(*samples()[0])
