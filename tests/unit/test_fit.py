"""What is kept of the rounds of a plan: never one that is slower than the whole network."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.aim import Aim
from edgekit.fit import _fitted, _Turn
from edgekit.prune.plan import Planner
from edgekit.prune.surgery import shrink
from edgekit.types import PlanRound
from tests.unit.prune.test_plan import cost, graph_of, planner_for, residual


def turns(planner: Planner, *measured: float) -> list[_Turn]:
    """As if the least network had been exported and timed so many times."""
    least = planner.cheapest()
    return [
        _Turn(
            round=PlanRound(
                predicted_speedup=2.0, measured_speedup=each, prediction_error=0.0
            ),
            solution=least,
            student=shrink(planner.graph, least.plan),
        )
        for each in measured
    ]


@pytest.mark.parametrize(
    ("measured", "cut"), [((0.9, 0.97), False), ((0.9, 1.02), True)]
)
def test_no_plan_that_claims_a_speed_up_is_slower_than_the_whole_network(
    tmp_path: Path, measured: tuple[float, ...], cut: bool
) -> None:
    planner = planner_for(graph_of(residual()), tmp_path)
    aim = Aim(speedup=2.0, full_cost=cost(planner))
    found = _fitted(planner, aim, turns(planner, *measured))
    weights = sum(p.numel() for p in found.student.module.parameters())
    assert (weights < planner.parameters()) == cut
    assert (found.solution.cost < aim.full_cost) == cut
    assert ("0.97x at best): nothing was cut" in " ".join(found.notes)) != cut
    assert tuple(turn.measured_speedup for turn in found.rounds) == measured
