"""The solver's programs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from edgekit.prune import cost_terms
from edgekit.prune.objective import PlanObjective
from edgekit.prune.planner import Planner
from edgekit.prune.solution import Limits
from edgekit.types import Sensitivity
from tests.unit.prune.test_planner import (
    AFTER_A_PLAN,
    Joined,
    cost,
    energy,
    every_choice,
    give_power,
    graph_of,
    planner_for,
    residual,
)


@pytest.mark.parametrize(
    ("network", "drop_blocks", "fractions"),
    [
        (residual, False, {"cost": 0.55}),
        (residual, True, {"cost": 0.55}),
        (residual, True, {"cost": 0.8, "parameters": 0.45}),
        (residual, True, {"activation_bytes": 0.7, "macs": 0.5}),
        (residual, True, {"energy_mj": 0.5}),
        (residual, False, {"cost": 0.7, "energy_mj": 0.6}),
        (Joined, False, {"cost": 0.5}),
        (Joined, False, {"cost": 0.9, "activation_bytes": 0.6, "parameters": 0.7}),
    ],
)
def test_the_plan_is_the_best_of_all(
    tmp_path: Path,
    network: type[nn.Module],
    drop_blocks: bool,
    fractions: dict[str, float],
) -> None:
    graph = graph_of(network())
    planner = planner_for(graph, tmp_path, drop_blocks=drop_blocks)
    give_power(planner)
    generator = np.random.default_rng(3)
    scores = {g.id: generator.uniform(0.1, 1, g.units) for g in graph.groups}
    measured = Sensitivity(
        groups={
            g.id: tuple(
                (g.units // part, expected_loss_increase * generator.uniform(0.5, 2))
                for part, expected_loss_increase in ((2, 0.1), (4, 0.5))
            )
            for g in graph.groups[::2]
        },
        blocks={block.id: generator.uniform(0.05, 3) for block in planner.blocks},
    )
    took = {
        "cost": cost,
        "parameters": Planner.parameters,
        "activation_bytes": Planner.activation_bytes,
        "macs": Planner.macs,
        "energy_mj": energy,
    }
    limits = {
        name: took[name](planner) * fraction for name, fraction in fractions.items()
    }
    solution = planner.solve(scores, Limits(**limits), measured)

    objective = PlanObjective(graph=graph, importance=scores, sensitivity=measured)
    best = min(
        objective.expected_loss_increase(widths, dropped)
        for widths, dropped in every_choice(planner)
        if all(took[n](planner, widths, dropped) <= v for n, v in limits.items())
    )
    assert solution.optimal and solution.exact
    assert solution.expected_loss_increase == objective.expected_loss_increase(
        solution.widths, solution.dropped
    )
    assert solution.expected_loss_increase == pytest.approx(best, rel=1.5e-3)
    for name, most in limits.items():
        taken = took[name](planner, solution.widths, solution.dropped)
        assert getattr(solution, name) == pytest.approx(taken)
        assert taken <= most


def test_sums_too_many_to_list_give_an_upper_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost_terms, "_SUMS", 4)
    monkeypatch.setattr(cost_terms, "_THINNED", 4)
    monkeypatch.setattr(cost_terms, "_CELLS", 1)
    graph = graph_of(Joined())
    planner = planner_for(graph, tmp_path)
    scores = {g.id: np.linspace(1, 2, g.units) for g in graph.groups}
    limit = cost(planner) * 0.6
    solution = planner.solve(scores, Limits(cost=limit))
    assert not solution.exact
    assert cost(planner, dict(solution.widths)) <= solution.cost <= limit


def test_an_interrupt_is_still_noticed_after_a_plan(tmp_path: Path) -> None:
    """In a process of its own: where this fails, the signal kills."""
    done = subprocess.run(
        [sys.executable, "-c", AFTER_A_PLAN, str(tmp_path)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "noticed\n", (done.returncode, done.stderr)
