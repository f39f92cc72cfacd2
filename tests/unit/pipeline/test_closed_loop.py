"""The next training follows from measurements: worlds where accuracy and speed are laws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from edgekit.distill import Distilled
from edgekit.errors import BudgetInfeasible
from edgekit.pipeline.closed_loop import (
    Cuts,
    Goal,
    Step,
    TrainedPoint,
    best_point,
    frontier_of,
    next_step,
    run,
)
from edgekit.pipeline.frontier import Judged
from edgekit.types import Budget, Candidate, Epoch, Precision
from tests.unit.bench.test_verdict import candidate

BUDGET = Budget(speedup=2.0, accuracy_drop=0.01)
GOAL = Goal(budget=BUDGET, required=2.0, ceiling=8.0, limit_s=1000.0)
Law = Callable[[float], float]


def links(seconds: float, best: int) -> tuple[Distilled, ...]:
    """One training of ten epochs and these seconds whose epoch `best` was best."""
    epochs = [
        Epoch(
            number=n,
            loss=1.0,
            validation=0.5 + 0.1 * (n == best),
            seconds=seconds / 10 if n else 0.0,
        )
        for n in range(11)
    ]
    program = None  # nothing here runs a network
    return (
        Distilled(
            program=program,  # type: ignore[arg-type]
            epochs=tuple(epochs),
            kept_epoch=10,
            metric="accuracy",
        ),
    )


def point(
    demand: float,
    *files: Candidate,
    budget: Budget = BUDGET,
    seconds: float = 100.0,
    best: int = 5,
) -> TrainedPoint:
    kept = [
        one
        for one in files
        if one.speedup >= (budget.speedup or 0)
        and one.accuracy_drop <= (budget.accuracy_drop or 1)
    ]
    judged = Judged(candidates=files, within=tuple(kept), stated=tuple(kept))
    cuts = Cuts(done=(), links=links(seconds, best))
    return TrainedPoint(demand=demand, cuts=cuts, judged=judged)


def file(speedup: float, drop: float, precision: Precision = "fp32") -> Candidate:
    one = candidate(precision=precision, speedup=speedup, drop=drop)
    return replace(one, accuracy_drop=drop)


def world(
    loss: Law, gain: float, budget: Budget = BUDGET
) -> Callable[[Step, TrainedPoint], TrainedPoint]:
    """Files are as fast as planned in fp32 and `gain` times so in int8, and lose by a law."""

    def take(step: Step, _: TrainedPoint) -> TrainedPoint:
        demand = step.demand or 1.0
        fp32 = file(demand, loss(demand))
        int8 = file(demand * gain, loss(demand), "int8")
        return point(demand, fp32, int8, budget=budget)

    return take


def test_speed_to_spare_is_given_back_until_the_accuracy_holds() -> None:
    take = world(lambda demand: 0.02 * (demand - 1), 2.0)
    points = run(take(Step(kind="steeper", demand=2.0), point(1.0)), GOAL, take)
    assert [p.demand for p in points] == pytest.approx([2.0, 1.03])
    assert points[-1].judged.kept is not None
    assert best_point(points, GOAL) is points[-1]
    rows = frontier_of(points, points[-1])
    assert [row.name for row in rows] == ["trained 1"] * 2 + ["trained 2"] * 2
    assert [row.within for row in rows] == [False] * 3 + [True]
    assert [row.final for row in rows] == [False] * 2 + [True] * 2


def test_a_precision_that_loses_much_more_gives_no_speed_to_spare() -> None:
    exact, rough = file(2.0, 0.012), file(4.0, 0.03, "int8")
    assert next_step([point(2.0, exact, rough)], GOAL) is None
    alike = file(4.0, 0.016, "int8")
    step = next_step([point(2.0, exact, alike)], GOAL)
    assert step is not None and step.kind == "milder"


def test_a_network_that_ended_slower_than_planned_is_cut_further() -> None:
    slower = point(2.0, file(1.65, 0.001))
    assert next_step([slower], GOAL) == Step(
        kind="steeper", demand=pytest.approx(2.0 * 2.0 * 1.03 / 1.65)
    )
    assert next_step([slower], replace(GOAL, ceiling=2.01)) is None
    harmed = point(2.0, file(1.65, 0.1))
    assert next_step([harmed], GOAL) is None, "neither speed nor accuracy"


def test_without_speed_to_spare_a_student_that_still_learns_is_trained_on() -> None:
    learning = point(2.0, file(2.05, 0.02), best=10)
    assert next_step([learning], GOAL) == Step(kind="longer", demand=2.0)
    assert next_step([replace(learning, cuts=point(2.0).cuts)], GOAL) is None


@pytest.mark.parametrize(
    ("damage", "kind"),
    [(0.05, "milder"), (0.18, "longer"), (None, "milder")],
)
def test_a_milder_plan_that_would_lose_too_much_waits_for_a_longer_training(
    damage: float | None, kind: str
) -> None:
    """The last plan lost two points for a damage of 0.2; the budget is one."""
    [cut] = [SimpleNamespace(solution=SimpleNamespace(expected_loss_increase=0.2))]
    learning = point(3.0, file(3.1, 0.02), best=10)
    learning = replace(learning, cuts=replace(learning.cuts, done=(cast(Any, cut),)))
    goal = replace(GOAL, damage_at=lambda demand: damage)
    step = next_step([learning], goal)
    assert step is not None and step.kind == kind
    ended = replace(learning, cuts=replace(learning.cuts, links=links(100.0, 5)))
    step = next_step([ended], goal)
    assert step is not None and step.kind == "milder", "longer promises nothing"


def test_a_budget_that_is_kept_ends_it_and_so_does_the_time() -> None:
    assert next_step([point(2.0, file(2.1, 0.0))], GOAL) is None
    take = world(lambda demand: 0.02 * (demand - 1), 2.0)
    first = take(Step(kind="steeper", demand=2.0), point(1.0))
    for limit_s, trained in ((0.0, 1), (199.0, 1), (200.0, 2)):
        assert len(run(first, replace(GOAL, limit_s=limit_s), take)) == trained


def test_a_network_that_is_trained_on_takes_the_time_of_its_further_training() -> None:
    """Its own has the earlier ones in it: 100, 200, 300 s, of which 100 s are new each time."""

    def take(step: Step, last: TrainedPoint) -> TrainedPoint:
        assert step.kind == "longer"
        return point(2.0, file(2.05, 0.02), seconds=last.seconds + 100.0, best=10)

    first = point(2.0, file(2.05, 0.02), best=10)
    points = run(first, replace(GOAL, limit_s=350.0), take)
    assert [one.seconds for one in points] == pytest.approx([100.0, 200.0, 300.0])


def test_no_plan_is_made_twice() -> None:
    """Accuracy that no plan mends: the mildest is tried once."""
    take = world(lambda demand: 0.05, 2.0)
    points = run(take(Step(kind="steeper", demand=2.0), point(1.0)), GOAL, take)
    assert [p.demand for p in points] == pytest.approx([2.0, 1.03])
    assert next_step([point(2.0)], GOAL) is None, "nothing could be judged"


def test_a_plan_that_cannot_be_made_loses_no_trained_network() -> None:
    def take(step: Step, _: TrainedPoint) -> TrainedPoint:
        raise BudgetInfeasible("no plan is that fast")

    slower = point(2.0, file(1.65, 0.001))
    assert run(slower, GOAL, take) == [slower]


def test_a_size_that_is_missed_is_no_reason_for_another_speed() -> None:
    fine = point(2.0, file(2.1, 0.0))
    too_big = replace(fine, judged=replace(fine.judged, within=()))
    assert next_step([too_big], GOAL) is None


def test_the_fastest_is_found_by_steps_and_bisection() -> None:
    budget = Budget(accuracy_drop=0.01)
    goal = replace(GOAL, budget=budget, required=None, fastest=True, limit_s=1e9)
    take = world(lambda demand: 0.004 * (demand - 1), 1.0, budget)
    points = run(take(Step(kind="steeper", demand=2.0), point(1.0)), goal, take)
    assert [p.demand for p in points] == pytest.approx(
        [2.0, 3.0, 4.5, 13.5**0.5, (3 * 13.5**0.5) ** 0.5]
    )
    assert best_point(points, goal) is points[-1], "3.5 is the most that holds"
    bounded = run(points[0], replace(goal, ceiling=2.5), take)
    assert [p.demand for p in bounded] == [2.0, 2.5]


def test_where_nothing_keeps_the_budget_the_nearest_ends() -> None:
    near, far = point(2.0, file(2.0, 0.012)), point(2.5, file(2.5, 0.05))
    assert best_point([far, near], GOAL) is near
    mild, accurate = point(2.0, file(2.2, 0.009)), point(1.5, file(2.0, 0.001))
    assert best_point([mild, accurate], GOAL) is accurate
    assert best_point([mild, accurate], replace(GOAL, fastest=True)) is mild
