"""Plans of one cost that damages as they are known do not lead to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.graph.surgery import shrink
from edgekit.pipeline.constraints import PlanConstraints
from edgekit.pipeline.drawn_plans import SPREADS, Draws, drawn
from edgekit.pipeline.measured_damage import MeasuredDamage
from edgekit.pipeline.search import PrunedCandidate
from edgekit.pipeline.weighed import Weighed
from edgekit.program.program import Program
from edgekit.prune.planner import Planner
from edgekit.prune.solution import Solution
from edgekit.report.note_words import sentence
from edgekit.types import Sensitivity
from edgekit.types.notes import PlansDrawn
from tests.unit.pipeline.test_measured_damage import (
    by_macs,
    cuts_of,
    damages,
    planner,
    untimed,
    weighed_wrongly,
)
from tests.unit.prune.test_planner import graph_of, planner_for, residual

__all__ = ["damages", "planner"]


def overrated(planner: Planner) -> Weighed:
    """As `weighed_wrongly`, with damages that no refitted plan comes to."""
    first, second = planner.graph.groups
    senses = Sensitivity(groups={first.id: ((8, 0.5),), second.id: ((8, 0.9),)})
    return replace(weighed_wrongly(planner), senses=senses)


def cut(weighed: Weighed, solution: Solution) -> Program:
    return shrink(weighed.planner.graph, solution.plan)


def as_fast(
    weighed: Weighed,
    constraints: PlanConstraints,
    solution: Solution,
    expected: float | None,
) -> PrunedCandidate:
    found = untimed(weighed, replace(constraints, speedup=None))
    return replace(
        found,
        solution=solution,
        student=cut(weighed, solution),
        measured_speedup=expected,
    )


def slower(*given: Any) -> PrunedCandidate:
    return replace(as_fast(*given), measured_speedup=1.5)


def eight(network: Any = cut, timed: Any = as_fast) -> Draws:
    return Draws(count=8, network=network, timed=timed, refits=False)


def test_plans_are_drawn_once_each_at_the_cost_and_again_alike(tmp_path: Path) -> None:
    planner = planner_for(graph_of(residual()), tmp_path, multiple=1)
    scores = {g.id: np.arange(g.units, 0, -1.0) for g in planner.graph.groups}
    senses = Sensitivity(
        groups={g.id: ((g.units // 2, 0.1),) for g in planner.graph.groups},
        blocks={block.id: 0.2 for block in planner.graph.blocks},
    )
    weighed = Weighed(planner=planner, scores=scores, senses=senses)
    cost = planner.cost({}, planner.device) / 2
    limits = PlanConstraints(speedup=2.0, full_cost=2 * cost)
    known = weighed.solve(limits, cost)

    def plans(seed: int) -> list[Solution]:
        draws = Draws(
            count=6, cost=cost, network=cut, timed=as_fast, refits=False, seed=seed
        )
        found = drawn(weighed, limits, [known.plan], draws, SPREADS[0])
        return [solution for _, solution in found]

    found = plans(0)
    assert 2 <= len(found) <= 6
    assert all(one.cost <= cost * 1.001 for one in found)
    every = [known.plan, *(one.plan for one in found)]
    assert all(plan not in every[:number] for number, plan in enumerate(every))
    assert [one.plan for one in plans(0)] == every[1:]
    assert [one.plan for one in plans(1)] != every[1:]


def test_the_best_of_the_drawn_plans_takes_the_place_of_a_worse_one(
    planner: Planner, damages: MeasuredDamage
) -> None:
    weighed, constraints = overrated(planner), by_macs(planner)
    alone = damages.planned(weighed, constraints, untimed)
    assert cuts_of(planner, alone) == [8, 16] and not alone.notes
    damages.plans.clear()
    found = damages.planned(weighed, constraints, untimed, eight())
    assert cuts_of(planner, found) == [16, 8]
    [note] = found.notes
    assert isinstance(note, PlansDrawn) and note.replaced and note.drawn >= 1
    assert note.measured == alone.refitted_loss and note.again == found.refitted_loss
    assert note.again < 0.01 * note.measured and "the best loses" in sentence(note)

    def refuse(*_: object) -> Program:
        raise AssertionError("refitted again what is known")

    damages.plans.clear()
    again = damages.planned(weighed, constraints, untimed, eight(refuse))
    assert cuts_of(planner, again) == [16, 8]


def test_a_drawn_plan_that_is_too_slow_is_not_taken(
    planner: Planner, damages: MeasuredDamage
) -> None:
    constraints = replace(by_macs(planner), speedup=2.0)

    def fast(weighed: Weighed, constraints: PlanConstraints) -> PrunedCandidate:
        found = untimed(weighed, replace(constraints, speedup=None))
        roomy = replace(found.solution, cost=2 * found.solution.cost)
        return replace(found, solution=roomy)

    found = damages.planned(overrated(planner), constraints, fast, eight(timed=slower))
    assert cuts_of(planner, found) == [8, 16]
    [note] = found.notes
    assert isinstance(note, PlansDrawn) and not note.replaced
    assert "not as fast" in sentence(note)


def test_a_plan_that_none_beats_stays(
    planner: Planner, damages: MeasuredDamage
) -> None:
    first, second = planner.graph.groups
    senses = Sensitivity(groups={first.id: ((8, 0.9),), second.id: ((8, 0.5),)})
    weighed = replace(weighed_wrongly(planner), senses=senses)
    found = damages.planned(weighed, by_macs(planner), untimed, eight())
    assert cuts_of(planner, found) == [16, 8] and not found.notes
    assert len(damages.plans) > 1


def test_no_plan_is_begun_after_the_time_for_it(
    planner: Planner, damages: MeasuredDamage
) -> None:
    weighed, constraints = overrated(planner), by_macs(planner)
    late = replace(eight(), limit_s=-1.0)
    found = damages.planned(weighed, constraints, untimed, late)
    assert cuts_of(planner, found) == [8, 16] and len(damages.plans) == 1
    damages.plans.clear()
    again = damages.planned(weighed, constraints, untimed, eight())
    assert cuts_of(planner, again) == [8, 16], "as many as the build before"
