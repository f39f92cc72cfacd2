"""A plan whose damage was mis-stated is measured, and the next one is the better for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.data import Dataset
from edgekit.data.samples import InMemory
from edgekit.distill import tasks
from edgekit.graph.surgery import shrink
from edgekit.pipeline.constraints import PlanConstraints
from edgekit.pipeline.measured_damage import MeasuredDamage, divergence_of
from edgekit.pipeline.search import PrunedCandidate
from edgekit.pipeline.training_inputs import TrainingInputs
from edgekit.pipeline.weighed import Weighed
from edgekit.program.program import Program
from edgekit.progress import Logged
from edgekit.prune.planner import Planner
from edgekit.report.note_words import sentence
from edgekit.store import Store
from edgekit.types import Sensitivity, TaskSpec
from edgekit.types.notes import DamageMeasured
from tests.unit.prune.test_planner import graph_of, planner_for

MACS = 0.72
"""Of the network's: either of its two widths has to be halved."""


def half_idle() -> nn.Module:
    """Every unit of the first width decides, and half of the second give nothing."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 16, 1), nn.ReLU(), nn.Conv2d(16, 16, 1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4),
    )  # fmt: skip
    with torch.no_grad():
        head = cast(nn.Linear, network[6])
        head.weight *= 40
        head.weight[:, 8:] = 0
    return network


@pytest.fixture
def planner(tmp_path: Path) -> Planner:
    return planner_for(graph_of(half_idle()), tmp_path, multiple=8)


class _Samples:
    def __init__(self) -> None:
        values = np.random.default_rng(0).normal(0, 1, (64, 3, 8, 8))
        samples = InMemory(values=values.astype(np.float32))
        self.validation = Dataset(samples, np.zeros(64, np.int64), labels=())
        self.train = self.validation


@pytest.fixture
def damages(tmp_path: Path) -> MeasuredDamage:
    training = TrainingInputs(
        samples=cast(Any, _Samples()),
        task=tasks.of_kind("classification"),
        spec=TaskSpec(kind="classification"),
        seed=0,
        store=Store(tmp_path),
        progress=Logged(),
    )
    return MeasuredDamage(training=training)


def weighed_wrongly(planner: Planner) -> Weighed:
    """As if cutting the first width hardly mattered, and the second a lot."""
    first, second = planner.graph.groups
    scores = {group.id: np.arange(group.units, 0, -1.0) for group in (first, second)}
    senses = Sensitivity(groups={first.id: ((8, 0.001),), second.id: ((8, 0.002),)})
    return Weighed(planner=planner, scores=scores, senses=senses)


def untimed(weighed: Weighed, constraints: PlanConstraints) -> PrunedCandidate:
    """A plan, cut and as it is: its speed is of another test."""
    solution = weighed.solve(constraints, None)
    graph = weighed.planner.graph
    return PrunedCandidate(
        student=shrink(graph, solution.plan),
        graph=graph,
        planner=weighed.planner,
        solution=solution,
        rounds=(),
        notes=(),
        measured_speedup=2.0,
    )


def cuts_of(planner: Planner, found: PrunedCandidate) -> list[int]:
    return [found.solution.widths[group.id] for group in planner.graph.groups]


def by_macs(planner: Planner) -> PlanConstraints:
    macs = int(MACS * planner.macs())
    return PlanConstraints(speedup=None, full_cost=1.0, macs=macs)


def test_a_plan_that_loses_more_than_stated_is_solved_again_and_the_better_one_stays(
    planner: Planner, damages: MeasuredDamage
) -> None:
    weighed, constraints = weighed_wrongly(planner), by_macs(planner)
    samples = damages.training.samples.validation
    whole = planner.graph.program

    def lost(student: Program) -> float:
        return divergence_of(student, whole, samples)

    stated = untimed(weighed, constraints)
    assert cuts_of(planner, stated) == [8, 16] and lost(stated.student) > 0.005
    found = damages.planned(weighed, constraints, untimed)
    assert cuts_of(planner, found) == [16, 8] and lost(found.student) < 1e-5
    [note] = found.notes
    assert isinstance(note, DamageMeasured) and note.replaced
    assert note.measured == pytest.approx(lost(stated.student))
    assert note.again < 1e-5 and "which is less" in sentence(note)
    assert found.solution.expected_loss_increase == pytest.approx(0.002), (
        "the forecast goes by cuts as they were tried"
    )
    assert len(damages.plans) == 2
    again = damages.planned(weighed, constraints, untimed)
    assert cuts_of(planner, again) == [16, 8] and not again.notes, "it is known now"


def test_a_second_plan_that_is_too_slow_is_not_taken(
    planner: Planner, damages: MeasuredDamage
) -> None:
    weighed = weighed_wrongly(planner)
    constraints = replace(by_macs(planner), speedup=2.0)

    def slower(weighed: Weighed, constraints: PlanConstraints) -> PrunedCandidate:
        unlimited = replace(constraints, speedup=None)
        found = untimed(weighed, unlimited)
        slow = cuts_of(planner, found) == [16, 8]
        return replace(found, measured_speedup=1.5 if slow else 2.1)

    found = damages.planned(weighed, constraints, slower)
    assert cuts_of(planner, found) == [8, 16]
    [note] = found.notes
    assert isinstance(note, DamageMeasured) and not note.replaced


def test_a_plan_that_loses_what_was_stated_is_not_solved_again(
    planner: Planner, damages: MeasuredDamage
) -> None:
    weighed = weighed_wrongly(planner)
    first, second = planner.graph.groups
    right = Sensitivity(groups={first.id: ((8, 5.0),), second.id: ((8, 1e-4),)})
    found = damages.planned(replace(weighed, senses=right), by_macs(planner), untimed)
    assert cuts_of(planner, found) == [16, 8] and not found.notes
    assert len(damages.plans) == 1


def test_what_was_lost_after_training_tells_two_plans_apart(
    planner: Planner, damages: MeasuredDamage
) -> None:
    """Training makes up for one plan and not for the other: the next one goes by that."""
    weighed, constraints = weighed_wrongly(planner), by_macs(planner)
    first = untimed(weighed, constraints)
    damages.add(weighed, first, first.student, trained=True)
    second = untimed(
        replace(weighed, factors={planner.graph.groups[0].id: 100.0}), constraints
    )
    damages.add(weighed, second, planner.graph.program, trained=True)
    assert damages.plans[0].trained and damages.plans[1].loss < damages.plans[0].loss
    found = untimed(damages.corrected(weighed), constraints)
    assert cuts_of(planner, found) == [16, 8]
