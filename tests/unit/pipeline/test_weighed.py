"""Plans by the worth of units, with damages corrected by factors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.prune.planner import Planner
from tests.unit.pipeline.test_measured_damage import (
    by_macs,
    cuts_of,
    half_idle,
    untimed,
    weighed_wrongly,
)
from tests.unit.prune.test_planner import graph_of, planner_for


@pytest.fixture
def planner(tmp_path: Path) -> Planner:
    return planner_for(graph_of(half_idle()), tmp_path, multiple=8)


def test_factors_change_the_plan_and_not_the_damage_that_is_stated(
    planner: Planner,
) -> None:
    weighed, constraints = weighed_wrongly(planner), by_macs(planner)
    assert cuts_of(planner, untimed(weighed, constraints)) == [8, 16]
    first, _ = planner.graph.groups
    corrected = replace(weighed, factors={first.id: 10.0})
    solution = corrected.solve(constraints, None)
    assert [solution.widths[g.id] for g in planner.graph.groups] == [16, 8]
    assert solution.expected_loss_increase == pytest.approx(0.002)
