"""The closed loop: what is solved for next, and which of the measured networks is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from edgekit.api.datasets import Data
from edgekit.bench.tiers import Tier
from edgekit.devices.local import LocalDevice
from edgekit.graph.surgery import shrink
from edgekit.pipeline import unit_scores
from edgekit.pipeline.constraints import PlanConstraints
from edgekit.pipeline.runners import BenchRunner, ExportRunner
from edgekit.pipeline.search import PlanTimer, SearchRound, next_costs, settled
from edgekit.pipeline.unit_scores import probe, score_importance
from edgekit.progress import Logged, Silent
from edgekit.prune.importance import importance
from edgekit.prune.planner import Planner
from edgekit.prune.solution import Limits
from edgekit.report.note_words import sentence
from edgekit.types import Artifact, InputSpec, Measurement, PlanRound
from tests.unit.bench.test_statistics import measurement
from tests.unit.prune.test_planner import cost as cost_of
from tests.unit.prune.test_planner import graph_of, planner_for, residual


@pytest.fixture
def planner(tmp_path: Path) -> Planner:
    return planner_for(graph_of(residual()), tmp_path, multiple=1)


@pytest.fixture
def constraints(planner: Planner) -> PlanConstraints:
    return PlanConstraints(speedup=2.0, full_cost=cost_of(planner))


def turn(
    planner: Planner, constraints: PlanConstraints, cost: float, measured: float
) -> SearchRound:
    """A plan for a cost, and the measured speed-up of its network."""
    scores = {g.id: np.arange(g.units, 0, -1.0) for g in planner.graph.groups}
    solution = planner.solve(scores, Limits(cost=cost))
    timed = PlanRound(
        predicted_speedup=constraints.full_cost / solution.cost,
        measured_speedup=measured,
        prediction_error=0.0,
    )
    return SearchRound(round=timed, solution=solution, student=planner.graph.program)


def least(planner: Planner, measured: float) -> SearchRound:
    """As if the least network had been exported and timed."""
    solution = planner.cheapest()
    timed = PlanRound(
        predicted_speedup=2.0, measured_speedup=measured, prediction_error=0.0
    )
    student = shrink(planner.graph, solution.plan)
    return SearchRound(round=timed, solution=solution, student=student)


def test_a_network_about_as_fast_as_asked_ends_it(
    planner: Planner, constraints: PlanConstraints
) -> None:
    turns: list[SearchRound] = []
    costs = next_costs(3, planner, constraints, turns)
    first = next(costs)
    assert first == pytest.approx(constraints.full_cost / 2.06), (
        "a little more than required"
    )
    turns.append(turn(planner, constraints, first, 2.1))
    assert next(costs, None) is None


@pytest.mark.parametrize(("measured", "milder"), [(1.5, False), (3.0, True)])
def test_a_miss_asks_for_more_and_an_overshoot_for_less(
    planner: Planner, constraints: PlanConstraints, measured: float, milder: bool
) -> None:
    turns: list[SearchRound] = []
    costs = next_costs(3, planner, constraints, turns)
    first = next(costs)
    turns.append(turn(planner, constraints, first, measured))
    second = next(costs)
    assert (second > turns[0].solution.cost) is milder
    turns.append(turn(planner, constraints, second, measured))
    assert next(costs) is not None
    turns.append(turns[-1])
    assert next(costs, None) is None, "three rounds and no more"


def test_between_a_miss_and_an_overshoot_lies_the_third_round(
    planner: Planner, constraints: PlanConstraints
) -> None:
    turns: list[SearchRound] = []
    costs = next_costs(3, planner, constraints, turns)
    turns.append(turn(planner, constraints, next(costs), 1.6))
    turns.append(turn(planner, constraints, next(costs), 3.0))
    third = next(costs)
    assert turns[1].solution.cost < third < turns[0].solution.cost


def test_far_from_what_tables_can_promise_it_goes_half_of_the_way(
    planner: Planner, constraints: PlanConstraints
) -> None:
    """A network that is hardly faster asks for the impossible, and the fastest comes last."""
    turns: list[SearchRound] = []
    costs = next_costs(3, planner, constraints, turns)
    turns.append(turn(planner, constraints, next(costs), 1.1))
    second, fastest = next(costs), planner.cheapest().cost
    assert fastest < second < turns[0].solution.cost
    turns.append(turn(planner, constraints, second, 1.1))
    assert next(costs) == pytest.approx(fastest, rel=0.01)


def test_the_least_damaged_network_that_is_fast_enough_is_taken(
    planner: Planner, constraints: PlanConstraints
) -> None:
    missed = turn(planner, constraints, 0.7 * constraints.full_cost, 1.6)
    met = turn(planner, constraints, 0.5 * constraints.full_cost, 2.1)
    deep = turn(planner, constraints, 0.3 * constraints.full_cost, 3.0)
    assert settled(planner, constraints, [missed, deep, met]).solution == met.solution
    assert settled(planner, constraints, [deep, missed]).solution == deep.solution


def test_none_fast_enough_leaves_the_fastest(
    planner: Planner, constraints: PlanConstraints
) -> None:
    turns = [
        turn(planner, constraints, 0.5 * constraints.full_cost, 1.8),
        turn(planner, constraints, 0.3 * constraints.full_cost, 1.7),
    ]
    assert settled(planner, constraints, turns).solution == turns[0].solution


@pytest.mark.parametrize(
    ("measured", "out_of_reach"), [(1.8, True), (1.97, False), (2.1, False)]
)
def test_a_speed_is_out_of_reach_where_the_fastest_plan_was_timed(
    planner: Planner, constraints: PlanConstraints, measured: float, out_of_reach: bool
) -> None:
    """By more than two measurements of one network differ."""
    first = turn(planner, constraints, 0.6 * constraints.full_cost, 1.5)
    assert not settled(planner, constraints, [first]).out_of_reach, "there is a faster"
    found = settled(planner, constraints, [first, least(planner, measured)])
    assert found.out_of_reach is out_of_reach


@pytest.mark.parametrize(
    ("measured", "cut"), [((0.9, 0.97), False), ((0.9, 1.02), True)]
)
def test_no_plan_that_claims_a_speed_up_is_slower_than_the_whole_network(
    planner: Planner,
    constraints: PlanConstraints,
    measured: tuple[float, ...],
    cut: bool,
) -> None:
    found = settled(planner, constraints, [least(planner, each) for each in measured])
    weights = sum(p.numel() for p in found.student.module.parameters())
    assert (weights < planner.parameters()) == cut
    assert found.whole != cut
    assert (found.solution.cost < constraints.full_cost) == cut
    assert (
        "0.97x at best): nothing was cut" in " ".join(map(sentence, found.notes))
    ) != cut
    assert tuple(turn.measured_speedup for turn in found.rounds) == measured


@pytest.mark.parametrize(("outputs", "count"), [(4, 80), (256, 64)])
def test_cuts_are_tried_on_fewer_samples_of_larger_outputs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, outputs: int, count: int
) -> None:
    """64 samples of a map of 256 x 8 x 8 have 2**20 numbers."""
    network = nn.Sequential(
        nn.Conv2d(3, 16, 1), nn.ReLU(), nn.Conv2d(16, outputs, 1, bias=False)
    )
    planner = planner_for(graph_of(network), tmp_path)
    scores = {g.id: np.arange(g.units, 0, -1.0) for g in planner.graph.groups}
    x = np.random.default_rng(0).normal(size=(80, 3, 8, 8)).astype(np.float32)
    train = Data(train=x).part("train", InputSpec(shape=(3, 8, 8)))
    with caplog.at_level("INFO", logger="edgekit"):
        found = probe(planner, scores, train, Logged())
    assert f"on {count} samples" in caplog.text
    assert set(found.groups) == {g.id for g in planner.graph.groups}


@pytest.mark.parametrize(("affordable", "count"), [(0.2, 4), (2, 8), (6, 16), (40, 40)])
def test_cuts_of_large_networks_are_tried_on_few_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, affordable: float, count: int
) -> None:
    """Up to 16 are worth four times the cost, and four any cost."""
    planner = planner_for(graph_of(residual()), tmp_path)
    trials = 2 * len(planner.graph.groups) + len(planner.blocks)
    most = affordable * planner.macs() * trials
    monkeypatch.setattr(unit_scores, "_TRIAL_MACS", most)
    monkeypatch.setattr(unit_scores, "_FEW_MACS", 4 * most)
    assert unit_scores._trial_samples(planner) == count


@pytest.mark.parametrize(("affordable", "count"), [(1, 64), (100, 100), (999, 256)])
def test_units_of_large_networks_are_weighed_by_fewer_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, affordable: int, count: int
) -> None:
    planner = planner_for(graph_of(residual()), tmp_path)
    monkeypatch.setattr(unit_scores, "_WEIGH_MACS", affordable * planner.macs())
    assert unit_scores._weighed(planner.graph) == count


class Largest(TorchDispatchMode):
    """The most samples that a convolution was given at once."""

    samples = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if "convolution" in str(func):
            self.samples = max(self.samples, len(args[0]))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("labeled", [True, False])
def test_units_are_weighed_by_a_few_samples_at_once(labeled: bool) -> None:
    graph, random = graph_of(residual()), np.random.default_rng(0)
    x = random.normal(size=(150, 3, 8, 8)).astype(np.float32)
    given = (x, random.integers(0, 4, 150)) if labeled else x
    train = Data(train=given).part("train", InputSpec(shape=(3, 8, 8)))
    with Largest() as seen:
        found = score_importance(graph, train, "activation", Silent())
    assert seen.samples == 64
    at_once = importance(graph, "activation", batches=[(torch.from_numpy(x), None)])
    for group, scores in found.items():
        np.testing.assert_allclose(scores, at_once[group], rtol=1e-4)


class Preset(BenchRunner):
    """Preset speed-ups of the second artifact, one a run, instead of times."""

    def measure(
        self, artifacts: Sequence[Artifact], title: str, tier: Tier | None = None
    ) -> dict[str, Measurement]:
        baseline, other = (one.name for one in artifacts)
        slow = (6.0, 6.0, 6.0)
        speedup = PRESET.pop(0)
        return {
            baseline: measurement(baseline, *slow),
            other: measurement(other, *(one / speedup for one in slow)),
        }


PRESET: list[float] = []


@pytest.mark.parametrize(
    ("speedups", "believed"),
    [
        ((1.25,), 1.25),
        ((1.0, 1.27), 1.27),  # a slow spell
        ((1.0, 1.02), 1.02),  # the prediction is wrong
    ],
)
def test_a_time_that_contradicts_the_prediction_is_taken_again(
    speedups: tuple[float, ...], believed: float
) -> None:
    PRESET[:] = speedups
    file = Artifact(
        name="whole",
        runtime="litert",
        precision="int8",
        files=(),
        inputs=(),
        outputs=(),
    )
    timer = PlanTimer(
        exporter=ExportRunner(target="host", progress=Silent()),
        bench=Preset(device=LocalDevice(), tier="quick", threads=1, progress=Silent()),
        variant=("litert", "int8"),
        baseline=file,
        calibration=(),
    )
    found = timer.believed(replace(file, name="cut"), 1.29, "Time the plan")
    assert found == pytest.approx(believed) and not PRESET
