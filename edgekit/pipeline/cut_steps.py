"""The steps of a cut: shared out over a budget, and taken together as one cut afterwards."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

from edgekit.distill import Distilled
from edgekit.errors import ModelError
from edgekit.graph.graph import WidthGraph
from edgekit.pipeline.constraints import (
    PlanConstraints,
)
from edgekit.pipeline.search import (
    PrunedCandidate,
)
from edgekit.program.program import Program
from edgekit.prune.planner import Planner
from edgekit.prune.schedule import composed, schedule
from edgekit.types import (
    Link,
    PruneRecipe,
)
from edgekit.types.notes import (
    CutInSteps,
    CutTrained,
    unique,
)

MAX_RATIO_PER_STEP = 3.0
"""Largest speed-up of a cut before the network is trained again."""


def aims(
    final: PlanConstraints, whole: int, recipe: PruneRecipe
) -> Iterator[PlanConstraints]:
    """The constraints of each cut, the last `final`; the network has `whole` weights."""
    count, kind = recipe.iterations or num_steps(final, whole), recipe.schedule
    speedups: tuple[float | None, ...] = (None,) * count
    if final.speedup is not None:
        speedups = schedule(kind, count, final.speedup)
    weights: tuple[int | None, ...] = (None,) * count
    if final.parameters is not None:
        fraction = min(1.0, final.parameters / whole)
        weights = tuple(round(whole * part) for part in schedule(kind, count, fraction))
    energies: tuple[float | None, ...] = (None,) * count
    if final.energy_fraction is not None and final.full_energy_mj:
        parts = schedule(kind, count, final.energy_fraction)
        energies = tuple(final.full_energy_mj * part for part in parts)
    steps = zip(speedups, weights, energies, strict=True)
    for number, (speedup, parameters, energy_mj) in enumerate(steps):
        constraints = replace(
            final, speedup=speedup, parameters=parameters, energy_mj=energy_mj
        )
        if number < count - 1:  # the last cut answers for the rest of the budget
            constraints = replace(
                constraints, activation_bytes=None, macs=None, notes=()
            )
        yield constraints


def num_steps(final: PlanConstraints, whole: int) -> int:
    """In how many steps to cut, so that none is steeper than `MAX_RATIO_PER_STEP`."""
    fractions = [final.speedup or 1.0]
    if final.parameters:
        fractions.append(whole / final.parameters)
    if final.energy_fraction:
        fractions.append(1 / final.energy_fraction)
    return max(
        1, math.ceil(math.log(max(fractions)) / math.log(MAX_RATIO_PER_STEP) - 1e-9)
    )


def all_as_one(
    first: Planner, done: list[PrunedCandidate], links: list[Distilled]
) -> PrunedCandidate:
    """All cuts as one of the unpruned network."""
    [*before, last] = done
    names = ["the unpruned network", *(f"cut {n + 1}" for n in range(len(links)))]
    if not before:
        [link] = links
        return replace(last, links=(link_of("the pruned network", names[0], link),))
    found = [
        link_of(name, teacher, link)
        for teacher, name, link in zip(names, names[1:], links, strict=False)
    ]
    plan = composed([fitted.solution.plan for fitted in done])
    widths = {
        group.id: len(plan.kept.get(group.id, range(group.units)))
        for group in first.graph.groups
    }
    _check(first.graph, widths, last.student)
    # So that the table has every operator of the report.
    first.cost(widths, first.device, plan.dropped_blocks)
    return replace(
        last,
        graph=first.graph,
        planner=first,
        solution=replace(last.solution, plan=plan, widths=widths),
        rounds=tuple(turn for fitted in done for turn in fitted.rounds),
        links=tuple(found),
        notes=(
            *unique(note for fitted in done for note in fitted.notes),
            CutInSteps(steps=len(done)),
            *(_gain(number, link) for number, link in enumerate(links, 1)),
        ),
    )


def link_of(name: str, teacher: str, distilled: Distilled) -> Link:
    """Gain of the training, on the samples that choose the epoch."""
    before, after = distilled.epochs[0], distilled.epochs[distilled.kept_epoch]
    return Link(
        name=name,
        teacher=teacher,
        metric=distilled.metric,
        before=before.validation,
        after=after.validation,
        is_fraction=after.is_fraction,
        parameters=sum(p.numel() for p in distilled.program.module.parameters()),
        epoch=after.number,
    )


def joined(before: Distilled, after: Distilled) -> Distilled:
    """Two trainings of one student, one after the other, as one. The student is that of the second,
    unless that kept the one it was given."""
    count = before.epochs[-1].number
    later = [replace(e, number=count + e.number) for e in after.epochs[1:]]
    if after.kept_epoch == 0:
        return replace(before, epochs=(*before.epochs, *later))
    return replace(
        after,
        epochs=(*before.epochs, *later),
        kept_epoch=count + after.kept_epoch,
    )


def _gain(number: int, link: Distilled) -> CutTrained:
    """Gain of the training after one of several cuts."""
    before, after = link.epochs[0], link.epochs[link.kept_epoch]
    return CutTrained(
        step=number,
        before=before.score(link.metric),
        after=after.score(link.metric),
        epoch=after.number,
    )


def _check(graph: WidthGraph, widths: Mapping[str, int], student: Program) -> None:
    """Groups keep their names from cut to cut; a changed name shows in its shapes."""
    for node in graph.program.module.graph.find_nodes(op="get_attr"):
        name = str(node.target)
        have = dict(student.module.named_parameters(remove_duplicate=False)).get(name)
        if have is not None and graph.shape(node, widths) != tuple(have.shape):
            raise ModelError(
                f"After several cuts '{name}' has shape {tuple(have.shape)}, and its "
                f"groups have {graph.shape(node, widths)}. Set [recipe.prune] "
                "iterations = 1."
            )
