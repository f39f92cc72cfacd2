"""Words of a build before it trains once more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from edgekit.errors import BudgetInfeasible
from edgekit.pipeline.closed_loop import Step
from edgekit.pipeline.constraints import PlanConstraints
from edgekit.pipeline.cutter import Cutter, refuse_hopeless, refuse_slow, step_words
from edgekit.pipeline.expected_accuracy import ALONE, Expectations
from edgekit.pipeline.search import as_it_is
from edgekit.types import Budget, Evaluation
from edgekit.types.notes import BudgetsNotPlanned, SpeedupAssumed
from tests.unit.pipeline.test_closed_loop import point
from tests.unit.prune.test_planner import graph_of, planner_for, residual


def test_the_next_training_is_said_with_its_reason_against_fp32() -> None:
    last = point(2.0)
    milder = step_words(Step(kind="milder", demand=1.25), last, 1.6)
    assert "planned for 3.20x loses too much" in milder
    assert milder.endswith("planned again for 2.00x")
    steeper = step_words(Step(kind="steeper", demand=2.5), last, 1.0)
    assert "planned for 2.00x can be faster" in steeper
    assert "trained on" in step_words(Step(kind="longer", demand=2.0), last, 1.0)


def test_a_hopeless_plan_is_refused_before_it_is_trained_with_the_way_out() -> None:
    reference = Evaluation(metric="accuracy", value=0.91, samples=2000)
    known = Expectations(
        outcomes=(), family="mine", reference=reference, relative=False
    )
    refuse_hopeless(known, 0.2, ALONE, 0.01, 2.0)
    with pytest.raises(
        BudgetInfeasible, match=r"of 9\.70 with accuracy_drop = 0\.01"
    ) as said:
        refuse_hopeless(known, 20.0, ALONE, 0.01, 9.7)
    assert "expected accuracy" in str(said.value) and "--yes" in str(said.value)


def test_a_speed_that_no_plan_has_is_refused_with_the_one_that_was_timed(
    tmp_path: Path,
) -> None:
    planner = planner_for(graph_of(residual()), tmp_path, multiple=1)
    fitted = replace(as_it_is(planner, ()), measured_speedup=2.25)
    asked = PlanConstraints(speedup=7.34, full_cost=10.0).with_gain(3.0)
    refuse_slow(fitted, asked, ("litert", "int8"))
    slow = replace(fitted, out_of_reach=True)
    with pytest.raises(BudgetInfeasible, match=r"a speed-up of 7\.34 is out") as said:
        refuse_slow(slow, asked, ("litert", "int8"))
    assert "has a speed-up of 6.75, timed untrained as litert-int8" in str(said.value)
    assert "--yes" in str(said.value)
    stated = replace(asked, stated_as=("latency_ms", 20.0))
    with pytest.raises(BudgetInfeasible, match=r"has latency_ms = 2\.963, timed"):
        refuse_slow(slow, stated, ("litert", "int8"))


@pytest.mark.parametrize(
    ("changed", "owed"),
    [
        ({}, True),
        ({"speedups": {"litert-fp32": 1.0, "litert-int8": 3.05}}, True),
        ({"speedups": {"litert-fp32": 1.0, "litert-int8": 4.0}}, False),
        ({"fastest": "a file of the unpruned network"}, False),
        ({"objective": "fastest"}, False),
        ({"expectations": None}, False),
        ({"accept_doubts": True}, False),
        ({"notes": (SpeedupAssumed(speedup=2.0),)}, False),
        ({"budget": Budget(latency_ms=20.0)}, False),
    ],
)
def test_a_speed_is_owed_where_budgets_ask_this_form_for_it(
    changed: dict[str, Any], owed: bool
) -> None:
    """Another form may be faster, and a speed that was assumed may be milder."""
    unplanned = BudgetsNotPlanned(
        budgets={"latency_ms": 20.0}, lacking="device", target="pi", speedup=2.0
    )
    given = {
        "speedups": {"litert-int8": 3.0},
        "fastest": None,
        "objective": "most-accurate",
        "expectations": "known",
        "accept_doubts": False,
        "notes": (unplanned,),
        "budget": Budget(speedup=7.34),
        **changed,
    }
    inputs = SimpleNamespace(
        uncut=SimpleNamespace(speedups=given["speedups"], fastest=given["fastest"]),
        recipe=SimpleNamespace(objective=given["objective"]),
        accept_doubts=given["accept_doubts"],
        budget=given["budget"],
        gain=3.0,
    )
    final = PlanConstraints(speedup=2.4, full_cost=10.0, notes=given["notes"])
    cutter = Cutter(
        inputs=cast(Any, inputs),
        teachers=cast(Any, None),
        first=cast(Any, None),
        final=final,
        folder=Path(),
        damages=cast(Any, None),
        expectations=given["expectations"],
    )
    assert cutter._owes_speed() is owed
