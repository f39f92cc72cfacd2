"""Fit the network into the budget: solve, cut, export, time, and solve again on a miss.

Speed depends on shapes, hardly on weights, so the loop is closed before any training.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from edgekit import costing
from edgekit.bench.statistics import speedup as speedup_of
from edgekit.data import Dataset
from edgekit.errors import BudgetInfeasible, ModelError
from edgekit.job import Job, Samples
from edgekit.prune.graph import WidthGraph, analyse
from edgekit.prune.importance import importance
from edgekit.prune.plan import Limits, Planner, Solution
from edgekit.prune.surgery import shrink
from edgekit.source.program import Program
from edgekit.types import Artifact, Budget, PlanRound, Precision, RuntimeName

Scores = npt.NDArray[Any]

DEFAULT_SPEEDUP = 2.0
_BYTES_PER_WEIGHT = {"fp32": 4, "fp16": 2, "int8": 1}
# Room for what a file holds besides weights: its graph, biases, scales.
_SIZE_SHARE = 0.9
_SAMPLES_WEIGHED = 256
_SLACK = 1.03


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """The pruned network before it is taught, and how it was arrived at."""

    student: Program
    graph: WidthGraph
    planner: Planner
    solution: Solution
    rounds: tuple[PlanRound, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Aim:
    """What a cut is to reach, against the unpruned network."""

    speedup: float | None
    parameters: int | None
    full_us: float
    """Operator time of the unpruned network."""
    note: str | None = None
    """What the reader should know about the choice."""


def aim_of(job: Job, planner: Planner, baseline: Artifact) -> Aim:
    """What the budget asks of the unpruned network, whose planner this is."""
    speedup, note = wanted_speedup(
        job.project.budget, job.target.name, _latency_here(job, baseline)
    )
    return Aim(
        speedup=speedup,
        parameters=_weights_allowed(job),
        full_us=planner.us({}, job.costing.device),
        note=note,
    )


def fit(
    job: Job,
    planner: Planner,
    aim: Aim,
    samples: Samples,
    baseline: Artifact,
    folder: Path,
) -> Fitted:
    """The most important network that is as fast and as small as `aim` asks.

    Raises `BudgetInfeasible`, naming the nearest feasible figure, where there is none.
    """
    graph, speedup = planner.graph, aim.speedup
    scores = weigh(job, graph, samples.train)
    turns: list[tuple[PlanRound, Solution, Program]] = []
    ceiling = _ceiling(planner, aim) if speedup else 0.0
    # A little more than asked, where there is more: the last measurement is noisy too.
    asked = max(speedup, min(speedup * _SLACK, ceiling)) if speedup else None
    for number in range(1, job.project.recipe.prune.rounds + 1):
        limits = Limits(
            us=aim.full_us / asked if asked else None, parameters=aim.parameters
        )
        solution = _solve(planner, scores, limits, aim.full_us)
        student = shrink(graph, solution.plan)
        predicted = aim.full_us / planner.us(solution.widths, job.costing.device)
        turn = _time(job, student, predicted, baseline, folder / f"round-{number}")
        turns.append((turn, solution, student))
        if asked is None or speedup is None or turn.measured_speedup >= speedup:
            break
        wished = asked * _SLACK * speedup / turn.measured_speedup
        if asked >= (asked := min(wished, ceiling)):
            break
    _, solution, student = max(turns, key=lambda turn: turn[0].measured_speedup)
    return Fitted(
        student=student,
        graph=graph,
        planner=planner,
        solution=solution,
        rounds=tuple(turn for turn, _, _ in turns),
        notes=(aim.note,) if aim.note else (),
    )


def _ceiling(planner: Planner, aim: Aim) -> float:
    """The highest speed-up that the offered widths can promise."""
    return 0.999 * aim.full_us / planner.cheapest().us


def wanted_speedup(
    budget: Budget, target: str, baseline_ms: float | None
) -> tuple[float | None, str | None]:
    """The speed-up to plan for, and what the reader should know about the choice.

    `baseline_ms` is the unpruned network's latency on the target itself, `None` where no such
    figure exists: then a budget in milliseconds cannot be planned for, only a ratio can.
    """
    wishes = [budget.speedup] if budget.speedup else []
    note = None
    if budget.latency_ms and baseline_ms:
        wishes.append(baseline_ms / budget.latency_ms)
    elif budget.latency_ms:
        aim = f"a speed-up of {wishes[0] if wishes else DEFAULT_SPEEDUP:g}"
        note = (
            f"latency_ms = {budget.latency_ms:g} could not be planned for without a "
            f"{target}: the plan aims at {aim} instead"
        )
        wishes = wishes or [DEFAULT_SPEEDUP]
    if not wishes and budget.size_mb is None:
        wishes = [DEFAULT_SPEEDUP]
        note = f"no budget says how fast: the plan aims at a speed-up of {wishes[0]:g}"
    return max(wishes, default=None), note


def survey(
    job: Job,
    network: Program,
    runtime: RuntimeName,
    options: Mapping[str, tuple[int, ...]] | None = None,
) -> Planner:
    """What of a network can be cut, and what each width of it costs here.

    `options` are the widths offered for the network that this one was cut from.
    """
    graph = analyse(network)
    if not graph.groups:
        blocked = "; ".join(
            f"{b.operator} at {b.node}: {b.why}" for b in graph.barriers
        )
        raise ModelError(
            f"Nothing in this network can be pruned ({blocked or 'no free widths'})."
        )
    table = costing.table(job, job.costing, runtime, "fp32")
    planner = Planner(
        graph,
        table,
        multiple=job.target.channel_multiple.get("fp32", 1),
        min_keep=job.project.recipe.prune.min_keep,
        options=options,
    )
    job.progress.say(f"Costs: {job.costing.why}")
    with job.progress.step(f"Costs of operators on {table.key.runtime}") as step:
        planner.measure(job.costing.device, step.update)
    return planner


def _batches(train: Dataset) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
    """Samples to weigh units by, with their labels where all have one."""
    step = max(1, len(train) // _SAMPLES_WEIGHED)
    chosen = np.arange(0, len(train), step)[:_SAMPLES_WEIGHED]
    inputs, targets = train.arrays(chosen)
    labels = torch.from_numpy(targets) if (targets >= 0).all() else None
    return [(torch.from_numpy(inputs), labels)]


def _weights_allowed(job: Job) -> int | None:
    """How many weights fit `size_mb` in the smallest precision the profile allows."""
    size_mb = job.project.budget.size_mb
    if size_mb is None:
        return None
    smallest = min(_BYTES_PER_WEIGHT[p] for p in job.target.precisions)
    return int(size_mb * 2**20 * _SIZE_SHARE / smallest)


def _solve(
    planner: Planner, scores: Mapping[str, Scores], limits: Limits, full_us: float
) -> Solution:
    try:
        return planner.solve(scores, limits)
    except BudgetInfeasible:
        nearest = planner.cheapest()
    lacking = []
    if limits.us is not None and nearest.us > limits.us:
        lacking.append(
            f"a speed-up of {full_us / limits.us:.2f} is out of reach: the least network "
            "that the target's channel multiple and [recipe.prune] min_keep allow is "
            f"{full_us / nearest.us:.2f} times as fast"
        )
    if limits.parameters is not None and nearest.parameters > limits.parameters:
        lacking.append(
            f"{limits.parameters:,} weights are too few: {nearest.parameters:,} remain in "
            "the least network that [recipe.prune] min_keep allows"
        )
    raise BudgetInfeasible(
        f"{'; '.join(lacking) or 'speed and size cannot be met together'} "
        f"(cost table of {planner.table.key.runtime}, {planner.table.source}). "
        "Ask for less in [budget], or lower min_keep."
    )


def _time(
    job: Job, student: Program, predicted: float, baseline: Artifact, folder: Path
) -> PlanRound:
    """Export the pruned network untrained and time it beside the unpruned one."""
    title = f"the plan ({folder.name})"
    wanted: list[tuple[RuntimeName, Precision]] = [(baseline.runtime, "fp32")]
    [artifact] = job.export(student, wanted, folder, title=f"Export {title}")
    artifact = replace(artifact, name=folder.name)
    timed = job.measure([baseline, artifact], f"Time {title}", "quick")
    shutil.rmtree(folder)
    measured = speedup_of(timed[baseline.name], timed[artifact.name])
    job.progress.say(
        f"Plan: {predicted:.2f}x predicted, {measured:.2f}x measured on "
        f"{baseline.runtime} before training"
    )
    return PlanRound(
        predicted_speedup=predicted,
        measured_speedup=measured,
        prediction_error=abs(predicted - measured) / measured,
    )


def _latency_here(job: Job, baseline: Artifact) -> float | None:
    """The unpruned network's median latency on the target itself, where it is wanted."""
    if not job.proven or job.project.budget.latency_ms is None:
        return None
    timed = job.measure([baseline], "Time the unpruned network", "quick")
    return timed[baseline.name].latency.p50_ms


def weigh(job: Job, graph: WidthGraph, train: Dataset) -> Mapping[str, Scores]:
    """How much every unit matters, by the recipe's criterion."""
    criterion = job.project.recipe.prune.importance
    with job.progress.step(f"Weigh the units ({criterion})"):
        return importance(graph, criterion, batches=_batches(train))
