"""The solver on small real networks, with a cost table that is written by hand."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.cost.measure import OperatorCost
from edgekit.cost.power import Metered
from edgekit.cost.table import CostTable
from edgekit.cost.table_key import TableKey
from edgekit.cost.width_candidates import width_options
from edgekit.errors import BudgetInfeasible
from edgekit.graph.graph import Group, WidthGraph, analyze
from edgekit.graph.surgery import shrink
from edgekit.program.program import trace
from edgekit.prune.planner import Planner
from edgekit.prune.solution import Limits
from edgekit.types import InputSpec, Plan, Sensitivity
from edgekit.types.operator_shape import OperatorShape


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = nn.Conv2d(width, 2 * width, 1)
        self.depthwise = nn.Conv2d(2 * width, 2 * width, 3, padding=1, groups=2 * width)
        self.down = nn.Conv2d(2 * width, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.down(self.depthwise(self.up(x).relu()).relu())


class Joined(nn.Module):
    """A concatenation of three: an operator that three groups feed."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList(nn.Conv2d(3, 32, 3, padding=1) for _ in range(3))
        self.mix = nn.Conv2d(96, 24, 1)
        self.head = nn.Linear(24, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.cat([part(x).relu() for part in self.parts], 1)
        return self.head(self.mix(x).relu().mean((2, 3)))


def residual() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), Block(16), Block(16),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4),
    )  # fmt: skip


def graph_of(network: nn.Module) -> WidthGraph:
    torch.manual_seed(0)
    return analyze(trace(network, (InputSpec(shape=(3, 8, 8)),)))


class ByHand(CostTable):
    """One microsecond for every thousand multiply-accumulates, in steps of eight outputs."""

    def __contains__(self, operator: OperatorShape) -> bool:
        return True

    def cost(self, operator: OperatorShape) -> float:
        steps = 8 * math.ceil(operator.outputs / 8)
        return 0.1 + operator.macs / operator.outputs * steps / 1000


def planner_for(
    graph: WidthGraph, folder: Path, multiple: int = 8, *, drop_blocks: bool = False
) -> Planner:
    key = TableKey(
        fingerprint="by hand", runtime="litert", runtime_version="0", precision="fp32", threads=1
    )  # fmt: skip
    return Planner(
        graph,
        ByHand(key, "host", folder),
        multiple=multiple,
        min_keep=0.25,
        drop_blocks=drop_blocks,
    )


def cost(
    planner: Planner,
    widths: Mapping[str, int] | None = None,
    dropped: Sequence[str] = (),
) -> float:
    operators = planner.operators(widths, dropped)
    return sum(planner.table.cost(operator) for _, operator in operators)


def give_power(planner: Planner) -> None:
    """As if a meter had read that depthwise kernels draw four times what others do."""
    operators = [operator for _, operator in planner.operators()]
    table = planner.table
    table._record(
        {o.key: OperatorCost(cost=table.cost(o), rounds=()) for o in operators}
    )
    watts = {o: 8.0 if o.groups > 1 else 2.0 for o in operators}
    table._record_energy(Metered(watts=watts, meter="rapl", boundary="package"))


def energy(
    planner: Planner,
    widths: Mapping[str, int] | None = None,
    dropped: Sequence[str] = (),
) -> float:
    operators = planner.operators(widths, dropped)
    return sum(planner.table.energy_mj(operator) or 0.0 for _, operator in operators)


def group(units: int) -> Group:
    return Group(id="g", kind="channel", units=units, exact=True, slots=())


@pytest.mark.parametrize(
    ("units", "multiple", "expected"),
    [
        (32, 8, (8, 16, 24, 32)),
        (20, 8, (8, 16, 20)),
        (16, 16, (8, 16)),
        (3, 8, (2, 3)),
        (1, 8, (1,)),
    ],
)
def test_offered_widths_are_multiples(
    units: int, multiple: int, expected: tuple[int, ...]
) -> None:
    assert width_options(group(units), multiple=multiple, min_keep=0.125) == expected


def test_a_wide_group_is_offered_few_widths() -> None:
    offered = width_options(group(2048), multiple=8, min_keep=0.125)
    assert len(offered) == 8
    assert offered[0] == 256 and offered[-1] == 2048
    assert all(width % 8 == 0 for width in offered)


@pytest.mark.parametrize("network", [residual, Joined])
@pytest.mark.parametrize("speedup", [1.3, 3.0])
def test_a_plan_keeps_its_promise(
    tmp_path: Path, network: type[nn.Module], speedup: float
) -> None:
    graph = graph_of(network())
    planner = planner_for(graph, tmp_path)
    full = cost(planner)
    scores = {g.id: np.linspace(1, 2, g.units) for g in graph.groups}
    solution = planner.solve(scores, Limits(cost=full / speedup))
    assert cost(planner, dict(solution.widths)) <= full / speedup + 1e-6
    assert solution.cost >= cost(planner, dict(solution.widths)) - 1e-3
    pruned = shrink(graph, solution.plan)
    assert sum(p.numel() for p in pruned.module.parameters()) == planner.parameters(
        solution.widths
    )
    for g in graph.groups:
        kept = solution.plan.kept.get(g.id, tuple(range(g.units)))
        assert kept == tuple(range(g.units - len(kept), g.units)), "the best units stay"


def every_choice(planner: Planner) -> Iterator[tuple[dict[str, int], tuple[str, ...]]]:
    """All widths on offer with all sets of blocks that may go, as few as may stay."""
    names = [block.id for block in planner.blocks]
    most = len(names) - math.ceil(planner.min_keep * len(names))
    for count in range(most + 1):
        for dropped in itertools.combinations(names, count):
            for widths in itertools.product(*planner.options.values()):
                yield dict(zip(planner.options, widths, strict=True)), dropped


def test_a_dropped_block_takes_its_cost_along(tmp_path: Path) -> None:
    graph = graph_of(residual())
    planner = planner_for(graph, tmp_path, drop_blocks=True)
    scores = {g.id: np.ones(g.units) for g in graph.groups}
    first, second = (block.id for block in graph.blocks)
    limit = cost(planner) * 0.7
    measured = Sensitivity(blocks={first: 3.0, second: 0.01})
    solution = planner.solve(scores, Limits(cost=limit), measured)
    assert solution.dropped == (second,)
    cut = shrink(graph, solution.plan)
    weights = sum(p.numel() for p in cut.module.parameters())
    assert weights == solution.parameters < planner.parameters(solution.widths)
    assert solution.macs == planner.macs(solution.widths, (second,))
    names = [row.name for row in planner.rows(solution.widths, (second,)) if row.after]
    assert names and not [name for name in names if name.startswith(f"{second}.")]


def test_the_least_of_each_resource(tmp_path: Path) -> None:
    planner = planner_for(graph_of(residual()), tmp_path, drop_blocks=True)
    give_power(planner)
    choices = list(every_choice(planner))
    for name, took in (
        ("energy_mj", energy),
        ("cost", cost),
        ("parameters", Planner.parameters),
        ("activation_bytes", Planner.activation_bytes),
        ("macs", Planner.macs),
    ):
        least = min(took(planner, *choice) for choice in choices)
        assert getattr(planner.cheapest(name), name) == pytest.approx(least)


def test_the_least_is_solved_once_for_the_same_costs(tmp_path: Path) -> None:
    planner = planner_for(graph_of(residual()), tmp_path)
    give_power(planner)
    least = planner.cheapest()
    assert planner.cheapest("cost", Limits(cost=1.0)) is least
    narrow = Limits(macs=planner.macs() // 2)
    assert planner.cheapest("cost", narrow) is not least
    assert planner.cheapest("cost", narrow) is planner.cheapest("cost", narrow)
    planner.table.correct((), None)
    assert planner.cheapest() is not least
    assert planner.cheapest() == least


def test_weights_can_be_the_limit(tmp_path: Path) -> None:
    graph = graph_of(residual())
    planner = planner_for(graph, tmp_path)
    scores = {g.id: np.ones(g.units) for g in graph.groups}
    allowed = planner.parameters() // 2
    solution = planner.solve(scores, Limits(parameters=allowed))
    assert planner.parameters(solution.widths) == solution.parameters <= allowed


def test_the_impossible_is_refused(tmp_path: Path) -> None:
    graph = graph_of(residual())
    planner = planner_for(graph, tmp_path)
    scores = {g.id: np.ones(g.units) for g in graph.groups}
    least = planner.cheapest()
    planner.solve(scores, Limits(cost=least.cost))
    with pytest.raises(BudgetInfeasible):
        planner.solve(scores, Limits(cost=least.cost * 0.99))


def test_a_network_cut_again_is_offered_what_is_left_of_the_first_offer(
    tmp_path: Path,
) -> None:
    """Multiples and floors are those of the network that the first cut started from."""
    first = planner_for(graph_of(residual()), tmp_path)
    wide = next(group for group in first.graph.groups if group.units == 16)
    assert first.options[wide.id] == (8, 16)
    again = analyze(shrink(first.graph, Plan(kept={wide.id: tuple(range(8))})))
    repeated = planner_for(again, tmp_path)
    second = Planner(
        again, first.table, multiple=8, min_keep=0.25, options=first.options
    )
    assert repeated.options[wide.id] == (4, 8)
    assert second.options[wide.id] == (8,)


AFTER_A_PLAN = """
import os, signal, sys
from pathlib import Path
from tests.unit.prune.test_planner import graph_of, planner_for, residual

planner = planner_for(graph_of(residual()), Path(sys.argv[1]))
planner.cheapest()
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    print("noticed")
"""


def test_rows_measure_the_widths_that_nobody_offered(tmp_path: Path) -> None:
    """Where groups meet, a plan's own shapes need not be among the cells that were measured."""
    graph = graph_of(residual())
    key = planner_for(graph, tmp_path).table.key
    table = CostTable(key, "estimated", tmp_path)
    planner = Planner(graph, table, multiple=8, min_keep=0.25)
    planner.measure(None)
    group = graph.groups[0]
    odd = next(
        w for w in range(group.units) if w not in planner.options[group.id] and w
    )
    rows = planner.rows({group.id: odd})
    assert sum(row.after for row in rows) < sum(row.before for row in rows)
    unmeasured = Planner(
        graph,
        CostTable(key, "estimated", tmp_path / "other"),
        multiple=8,
        min_keep=0.25,
    )
    assert unmeasured.cost_at(group.id) > 0
