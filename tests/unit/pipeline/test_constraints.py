"""Budgets nobody can keep are refused with the nearest that somebody can."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.errors import BudgetInfeasible
from edgekit.pipeline.constraints import (
    PlanConstraints,
    check_possible,
    infeasible,
    met,
    reachable,
    required_speedup,
)
from edgekit.prune.solution import Limits, over
from edgekit.report.note_words import sentence
from edgekit.types import Budget
from edgekit.types.notes import BudgetsNotPlanned, SpeedupAssumed
from tests.unit.prune.test_planner import (
    cost,
    give_power,
    graph_of,
    planner_for,
    residual,
)


def test_each_budget_out_of_reach_is_named_with_the_nearest(tmp_path: Path) -> None:
    planner = planner_for(graph_of(residual()), tmp_path)
    full = cost(planner)
    constraints = PlanConstraints(speedup=99.0, full_cost=full, parameters=10)
    error = str(infeasible(planner, Limits(cost=full / 99, parameters=10), constraints))
    nearest = full / planner.cheapest().cost
    assert "a speed-up of 99.00 is out of reach" in error
    assert f"the nearest is a speed-up of {nearest:.2f}" in error
    assert f"({planner.cheapest('parameters').parameters:,} weights)" in error


def test_a_latency_out_of_reach_is_named_in_milliseconds(tmp_path: Path) -> None:
    planner = planner_for(graph_of(residual()), tmp_path)
    full = cost(planner)
    constraints = PlanConstraints(
        speedup=4000.0, full_cost=full, stated_as=("latency_ms", 2.0)
    ).with_gain(1.25)
    error = str(infeasible(planner, Limits(cost=full / 3200), constraints))
    nearest = 2.0 / (1.25 * full / planner.cheapest().cost)
    assert "latency_ms = 0.0005 is out of reach" in error
    assert f"the nearest is latency_ms = {nearest:.4g} (" in error


@pytest.mark.parametrize(
    ("required", "gain", "cut"),
    [(2.0, 1.6, 1.25), (2.0, 0.5, 4.0), (2.0, 2.5, None), (None, 1.6, None)],
)
def test_only_what_precision_does_not_give_is_cut(
    required: float | None, gain: float, cut: float | None
) -> None:
    whole = PlanConstraints(speedup=required, full_cost=10.0)
    assert whole.with_gain(gain).speedup == cut
    assert whole.with_gain(1.0) == whole


def test_a_budget_out_of_reach_is_named_against_fp32(tmp_path: Path) -> None:
    planner = planner_for(graph_of(residual()), tmp_path)
    full = cost(planner)
    constraints = PlanConstraints(speedup=99.0, full_cost=full).with_gain(1.5)
    error = str(infeasible(planner, Limits(cost=full / 66), constraints))
    nearest = 1.5 * full / planner.cheapest().cost
    assert "a speed-up of 99.00 is out of reach" in error
    assert f"the nearest is a speed-up of {nearest:.2f}" in error


def test_an_assumed_speedup_out_of_reach_becomes_one_that_there_is(
    tmp_path: Path,
) -> None:
    planner = planner_for(graph_of(residual()), tmp_path)
    full = cost(planner)
    most = full / planner.cheapest().cost
    assumed = PlanConstraints(
        speedup=99.0, full_cost=full, gain=1.5, notes=(SpeedupAssumed(speedup=99.0),)
    )
    found = reachable(planner, assumed, 1.0)
    assert found.speedup == pytest.approx(most**0.5)
    assert found.notes == (SpeedupAssumed(speedup=round(1.5 * most**0.5, 2)),)
    check_possible(planner, found)
    asked = reachable(planner, assumed, 2 * most)
    with pytest.raises(BudgetInfeasible, match="the nearest is a speed-up of"):
        check_possible(planner, asked)
    inside = replace(assumed, speedup=most)
    assert reachable(planner, inside, 1.0) == inside


def test_operations_are_refused_in_millions(
    tmp_path: Path,
) -> None:
    planner = planner_for(graph_of(residual()), tmp_path)
    limits = Limits(
        cost=planner.cheapest().cost,
        activation_bytes=planner.cheapest("activation_bytes").activation_bytes,
        macs=planner.cheapest("macs").macs - 1,
    )
    constraints = PlanConstraints(speedup=2.0, full_cost=cost(planner))
    error = str(infeasible(planner, limits, constraints))
    assert f"the nearest is mmacs = {planner.cheapest('macs').macs / 1e6:.3f}" in error


@pytest.mark.parametrize(
    ("budget", "speedup"),
    [
        (Budget(speedup=3), 3),
        (Budget(), 2.0),
        (Budget(mmacs=5), None),
        (Budget(memory_mb=5), None),
        (Budget(latency_ms=5, speedup=3), 3),
    ],
)
def test_what_to_plan_for_without_a_device(
    budget: Budget, speedup: float | None
) -> None:
    assert required_speedup(budget, "raspberrypi4", None)[0] == speedup


def test_energy_is_planned_for_as_time_where_it_was_measured() -> None:
    budget = Budget(energy_mj=2.0, latency_ms=10)
    assert required_speedup(budget, "raspberrypi5", 15.0, 8.0) == (4.0, ())
    speedup, notes = required_speedup(budget, "raspberrypi5", 15.0, None)
    assert speedup == 1.5
    assert notes == (
        BudgetsNotPlanned(
            budgets={"energy_mj": 2.0},
            lacking="meter",
            target="raspberrypi5",
            speedup=1.5,
        ),
    )
    assert "energy_mj = 2 could not be planned for without a meter on a" in sentence(
        notes[0]
    )
    speedup, notes = required_speedup(budget, "raspberrypi5", None, None)
    assert speedup == 2.0
    assert sentence(notes[0]).startswith(
        "latency_ms = 10 and energy_mj = 2 could not be planned for without a raspberrypi5"
    )


def test_energy_of_operators_asks_for_no_speed() -> None:
    alone = Budget(energy_mj=2.0)
    assert required_speedup(alone, "desk", 15.0, 8.0, by_operators=True) == (None, ())
    both = Budget(energy_mj=2.0, speedup=1.5)
    assert required_speedup(both, "desk", 15.0, 8.0, by_operators=True) == (1.5, ())


def test_energy_out_of_reach_is_refused_in_millijoules(tmp_path: Path) -> None:
    planner = planner_for(graph_of(residual()), tmp_path)
    give_power(planner)
    whole_mj = planner.whole().energy_mj
    assert whole_mj is not None
    constraints = PlanConstraints(
        speedup=None, full_cost=cost(planner), energy_mj=1e-9, energy_scale=2.0
    )
    error = str(infeasible(planner, constraints.limits(None), constraints))
    least_mj = planner.cheapest("energy_mj").energy_mj
    assert least_mj is not None
    assert 0 < least_mj < whole_mj
    assert f"the nearest is energy_mj = {2 * least_mj:.4g}" in error


def test_a_network_inside_every_limit_is_not_cut(tmp_path: Path) -> None:
    planner = planner_for(graph_of(residual()), tmp_path)
    full = cost(planner)
    inside = PlanConstraints(
        speedup=1.0,
        full_cost=full,
        parameters=planner.parameters(),
        macs=planner.macs(),
        activation_bytes=planner.activation_bytes(),
    )
    assert met(planner, inside)
    assert met(planner, PlanConstraints(speedup=None, full_cost=full))
    for changed in (
        {"speedup": 1.001},
        {"parameters": planner.parameters() - 1},
        {"macs": planner.macs() - 1},
        {"activation_bytes": planner.activation_bytes() - 1},
    ):
        assert not met(planner, replace(inside, **changed))


def test_energy_inside_its_limit_is_not_planned_for(tmp_path: Path) -> None:
    planner = planner_for(graph_of(residual()), tmp_path)
    give_power(planner)
    whole_mj = planner.whole().energy_mj
    assert whole_mj is not None
    constraints = PlanConstraints(
        speedup=None, full_cost=cost(planner), energy_mj=whole_mj
    )
    assert met(planner, constraints)
    assert not met(planner, replace(constraints, energy_mj=0.9 * whole_mj))


def test_whole_numbers_have_no_tolerance() -> None:
    assert over(2_000_000_001, 2_000_000_000)
    assert not over(2_000_000_000, 2_000_000_000)
    assert not over(1.0 + 1e-12, 1.0)
    assert over(1.0 + 1e-6, 1.0)
