"""Plans and pruning of networks in memory."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

import edgekit as ek
from edgekit.errors import (
    BudgetInfeasible,
    DataError,
    ModelError,
    TargetError,
    UsageError,
)
from edgekit.types import ExportRecipe, Plan, PruneRecipe
from tests.shapes import loader, trained

ESTIMATED = ek.Recipe(
    prune=PruneRecipe(cost_provenance="estimated"),
    export=ExportRecipe(precisions=("fp32",)),
)


@pytest.fixture(scope="module")
def model() -> ek.Network:
    return ek.load(trained(), example_input=torch.zeros(1, 1, 8, 8))


@pytest.fixture(scope="module")
def plan(model: ek.Network) -> ek.PruningPlan:
    data = ek.Data(train=loader(192, seed=1))
    return ek.plan(model, data, target="raspberrypi4", recipe=ESTIMATED)


def test_the_frontier_goes_from_mild_to_deep(plan: ek.PruningPlan) -> None:
    speedups = [point.speedup for point in plan.frontier]
    parameters = [point.parameters for point in plan.frontier]
    assert len(speedups) > 2
    assert speedups == sorted(speedups)
    assert parameters == sorted(parameters, reverse=True)
    assert plan.point.asked == "the budget"
    assert plan.point.speedup >= 2
    assert "raspberrypi4" in repr(plan)


def test_a_plan_is_cut_from_the_network(
    model: ek.Network, plan: ek.PruningPlan
) -> None:
    data = ek.Data(test=loader(90, seed=2))
    before = ek.evaluate(model, data)
    for chosen in (plan, plan.at(1.3), plan.plan):
        student = ek.prune(model, chosen)
        point = chosen.point if isinstance(chosen, ek.PruningPlan) else plan.point
        assert student.parameters == point.parameters < model.parameters
        assert student.module(torch.zeros(3, 1, 8, 8)).shape == (3, 3)
    assert model.parameters == 2563
    assert ek.evaluate(model, data) == before


def test_the_weights_at_the_time_of_cutting_are_kept(plan: ek.PruningPlan) -> None:
    model = ek.load(trained(), example_input=torch.zeros(1, 1, 8, 8))
    with torch.no_grad():
        model.module.get_parameter("head.bias").fill_(7)
    kept = ek.prune(model, plan).module.get_parameter("head.bias")
    assert kept.tolist() == [7, 7, 7]


def test_a_plan_of_another_network(model: ek.Network, plan: ek.PruningPlan) -> None:
    with pytest.raises(ModelError, match="other widths"):
        ek.prune(ek.prune(model, plan), plan)
    with pytest.raises(ModelError, match="'nowhere'"):
        ek.prune(model, Plan(kept={"nowhere": (0,)}))


def test_a_plan_as_a_page(plan: ek.PruningPlan, tmp_path: Path) -> None:
    page = plan.to_html(tmp_path / "plan.html")
    assert (tmp_path / "plan.html").read_text("utf-8") == page
    assert "raspberrypi4" in page


def test_what_no_plan_reaches(model: ek.Network, plan: ek.PruningPlan) -> None:
    data = ek.Data(train=loader(32, seed=1))
    with pytest.raises(BudgetInfeasible, match="the nearest is"):
        ek.plan(
            model,
            data,
            target="raspberrypi4",
            budget=ek.Budget(speedup=500),
            recipe=ESTIMATED,
        )
    with pytest.raises(UsageError, match="the fastest is"):
        plan.at(500)
    with pytest.raises(TargetError, match="raspberypi"):
        ek.plan(model, data, target="raspberypi")
    with pytest.raises(DataError, match="train"):
        ek.plan(model, ek.Data(test=loader(32, seed=1)), target="raspberrypi4")


def test_steps_are_silent_and_log(
    model: ek.Network,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    data = ek.Data(train=loader(32, seed=1))
    with caplog.at_level(logging.INFO, "edgekit"):
        ek.plan(model, data, target="raspberrypi4", recipe=ESTIMATED)
    assert any("Try every cut alone" in message for message in caplog.messages)
    shown = capfd.readouterr()
    assert (shown.out, shown.err) == ("", "")
