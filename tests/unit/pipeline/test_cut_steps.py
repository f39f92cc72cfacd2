from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.distill import Distilled
from edgekit.graph.graph import analyze
from edgekit.graph.surgery import shrink
from edgekit.pipeline.constraints import PlanConstraints
from edgekit.pipeline.cut_steps import aims, joined
from edgekit.program.program import trace
from edgekit.prune.schedule import composed
from edgekit.types import Epoch, InputSpec, Plan, PruneRecipe
from edgekit.types.notes import SpeedupAssumed

LAST = SpeedupAssumed(speedup=4.0)
CONSTRAINTS = PlanConstraints(
    speedup=4.0, parameters=None, full_cost=100.0, notes=(LAST,)
)


def test_one_cut_aims_at_the_budget_itself() -> None:
    assert list(aims(CONSTRAINTS, 1000, PruneRecipe(iterations=1))) == [CONSTRAINTS]
    shallow = replace(CONSTRAINTS, speedup=3.0)
    assert list(aims(shallow, 1000, PruneRecipe())) == [shallow]


def test_several_cuts_share_the_speed_up_out() -> None:
    found = list(aims(CONSTRAINTS, 1000, PruneRecipe(iterations=2)))
    assert [constraints.speedup for constraints in found] == pytest.approx([2.0, 4.0])
    assert [constraints.notes for constraints in found] == [(), (LAST,)]
    assert all(
        constraints.parameters is None and constraints.full_cost == 100.0
        for constraints in found
    )


def test_a_deep_cut_is_made_in_steps() -> None:
    found = list(aims(replace(CONSTRAINTS, speedup=12.0), 1000, PruneRecipe()))
    assert [constraints.speedup for constraints in found] == pytest.approx(
        [12 ** (1 / 3), 12 ** (2 / 3), 12]
    )
    small = replace(CONSTRAINTS, speedup=None, parameters=200)
    assert len(list(aims(small, 1000, PruneRecipe()))) == 2
    assert len(list(aims(replace(small, parameters=2000), 1000, PruneRecipe()))) == 1


def test_a_budget_of_weights_is_shared_out_too() -> None:
    recipe = PruneRecipe(iterations=3, schedule="linear")
    found = list(aims(replace(CONSTRAINTS, speedup=None, parameters=400), 1000, recipe))
    assert [constraints.parameters for constraints in found] == [800, 600, 400]
    assert {constraints.speedup for constraints in found} == {None}


def test_a_budget_of_energy_is_shared_out_too() -> None:
    final = replace(CONSTRAINTS, speedup=None, energy_mj=1.0, full_energy_mj=16.0)
    found = list(aims(final, 1000, PruneRecipe()))
    assert [constraints.energy_mj for constraints in found] == pytest.approx(
        [16 * 16 ** (-part / 3) for part in (1, 2, 3)]
    )
    enough = replace(final, energy_mj=20.0)
    assert [
        constraints.energy_mj for constraints in aims(enough, 1000, PruneRecipe())
    ] == [16.0]


def test_plans_one_after_another_are_one_plan() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Linear(5, 12), nn.ReLU(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3)
    )
    first = analyze(trace(network, (InputSpec(shape=(5,)),)))
    one = Plan(kept={"0": (1, 3, 4, 7, 9, 11), "2": (0, 2, 3, 5, 6)})
    between = analyze(shrink(first, one))
    two = Plan(kept={"0": (0, 2, 5)})
    at_once = shrink(first, composed([one, two]))
    assert composed([one, two]).kept == {"0": (1, 4, 11), "2": (0, 2, 3, 5, 6)}
    x = torch.randn(4, 5)
    stepwise = shrink(between, two)
    np.testing.assert_allclose(
        at_once.module(x).detach(), stepwise.module(x).detach(), rtol=1e-6
    )


def trained(*validations: float, kept: int, higher: bool = True) -> Distilled:
    epochs = [
        Epoch(number=n, loss=1.0, validation=value, seconds=1.0)
        for n, value in enumerate(validations)
    ]
    return Distilled(
        program=validations,  # type: ignore[arg-type]
        epochs=tuple(epochs),
        kept_epoch=kept,
        metric="accuracy",
        higher_is_better=higher,
    )


def test_two_trainings_of_one_student_are_one() -> None:
    before, after = trained(0.1, 0.5, 0.6, kept=2), trained(0.6, 0.7, 0.65, kept=1)
    both = joined(before, after)
    assert [e.validation for e in both.epochs] == [0.1, 0.5, 0.6, 0.7, 0.65]
    assert [e.number for e in both.epochs] == [0, 1, 2, 3, 4]
    assert both.epochs[both.kept_epoch].validation == 0.7
    assert both.program is after.program
    worse = joined(before, trained(0.6, 0.55, kept=0))
    assert worse.program is before.program and worse.kept_epoch == 2
    assert len(worse.epochs) == 4
    about_as_good = joined(before, trained(0.6, 0.59, kept=1))
    assert about_as_good.kept_epoch == 3 and about_as_good.best_epoch == 2
    no_gain = joined(before, trained(0.6, 0.6, 0.6, kept=2))
    assert no_gain.kept_epoch == 4 and no_gain.best_epoch == 2
    lower = joined(
        trained(0.5, 0.4, kept=1, higher=False), trained(0.4, 0.3, kept=1, higher=False)
    )
    assert lower.kept_epoch == lower.best_epoch == 2
