"""Cut a little, recover, and cut again: how much in each round, and the loop itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import numpy.typing as npt

from edgekit.cost.operator_shape import describe
from edgekit.errors import BudgetInfeasible, UsageError
from edgekit.graph.graph import WidthGraph, analyze
from edgekit.graph.surgery import shrink
from edgekit.program.program import Program
from edgekit.suggestions import suggest
from edgekit.types import Plan, Schedule

Scores = Mapping[str, npt.NDArray[np.float64]]
Score = Callable[[WidthGraph], Scores]
Choose = Callable[[WidthGraph, Scores, float], Plan]
Recover = Callable[[Program], Program]
Cost = Callable[[WidthGraph, Mapping[str, int] | None], float]

_HALVINGS = 20


def schedule(kind: Schedule, rounds: int, final: float) -> tuple[float, ...]:
    """The cost that each of `rounds` reaches, the last `final`.

    `final` up to 1 is the fraction that remains, above 1 a speed-up, the fraction's inverse.

    `linear`   removes the same amount each round
    `cubic`    removes most at first, while there is much to spare (Zhu and Gupta, 2017,
               arXiv:1710.01878)
    `by-cost`  makes each round the same factor cheaper
    """
    if kind not in get_args(Schedule):
        hint = suggest(kind, get_args(Schedule))
        known = ", ".join(get_args(Schedule))
        raise UsageError(f"No pruning schedule {kind!r}.{hint} Known: {known}.")
    if rounds < 1 or final <= 0:
        raise UsageError(
            f"A schedule of {rounds} rounds to {final:g}: rounds start at 1, and what is to "
            "remain (or the speed-up) lies above 0."
        )
    least = min(final, 1 / final)
    done = [number / rounds for number in range(1, rounds)]
    if kind == "linear":
        fractions = [1 - (1 - least) * part for part in done]
    elif kind == "cubic":
        fractions = [least + (1 - least) * (1 - part) ** 3 for part in done]
    else:
        fractions = [least**part for part in done]
    return (
        *(fraction if final <= 1 else 1 / fraction for fraction in fractions),
        final,
    )


@dataclass(frozen=True, kw_only=True)
class Round:
    """One turn: what was aimed at and reached, and the network before and after recovery."""

    target: float
    remaining: float
    """Fraction of the first network's cost that is left."""
    graph: WidthGraph
    """Of the network this round cut."""
    plan: Plan
    cut: Program
    program: Program


def operations(graph: WidthGraph, widths: Mapping[str, int] | None = None) -> float:
    """Multiply-accumulates of the network where groups have these widths."""
    found = (describe(graph, node, widths) for node in graph.program.module.graph.nodes)
    return float(sum(operator.macs for operator in found if operator is not None))


def evenly(
    graph: WidthGraph,
    scores: Scores,
    fraction: float,
    *,
    cost: Cost = operations,
    min_keep: float = 0.0,
    multiple: int = 1,
) -> Plan:
    """The best units of every group, the same fraction of each, so that `cost` falls to `fraction`.

    Widths above `multiple` become multiples of it, where they are not whole.
    Raises `BudgetInfeasible` where even the least network that `min_keep` allows costs more.
    """
    full = cost(graph, None)

    def widths(keep: float) -> dict[str, int]:
        return {
            group.id: _width(group.units, max(keep, min_keep), multiple)
            for group in graph.groups
        }

    low, high = min_keep, 1.0
    if cost(graph, widths(low)) > fraction * full:
        raise BudgetInfeasible(
            f"Keeping {low:.0%} of every width leaves "
            f"{cost(graph, widths(low)) / full:.1%} of the cost, and {fraction:.1%} was asked "
            "for. Ask for less, or lower min_keep."
        )
    if cost(graph, widths(high)) <= fraction * full:
        return Plan(kept={})
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if cost(graph, widths(middle)) <= fraction * full:
            low = middle
        else:
            high = middle
    chosen = widths(low)
    return Plan(
        kept={
            group.id: _best(scores[group.id], chosen[group.id])
            for group in graph.groups
            if chosen[group.id] < group.units
        }
    )


def iterate(
    program: Program,
    targets: Sequence[float],
    *,
    score: Score,
    recover: Recover,
    choose: Choose = evenly,
    cost: Cost = operations,
) -> Iterator[Round]:
    """Cut `program` down to each of `targets` in turn, recovering after every cut.

    Targets are fractions of the first network's cost, as `schedule` gives them. Every round
    analyzes the network again and scores its units again: recovery has changed their
    importance. `choose(graph, scores, fraction)` is asked for a fraction of the network at hand, so
    that what rounding cost one round is made good in the next.
    """
    full = cost(analyze(program), None)
    if full <= 0:
        raise UsageError(
            "The network has no operations that are counted. Give iterate a cost of your own."
        )
    for target in targets:
        graph = analyze(program)
        plan = choose(graph, score(graph), min(1.0, target * full / cost(graph, None)))
        cut = shrink(graph, plan)
        program = recover(cut)
        yield Round(
            target=target,
            remaining=cost(analyze(cut), None) / full,
            graph=graph,
            plan=plan,
            cut=cut,
            program=program,
        )


def _width(units: int, keep: float, multiple: int) -> int:
    if keep >= 1:
        return units
    step = multiple if units > multiple else 1
    return min(units, max(step, step * round(units * keep / step)))


def _best(scores: npt.NDArray[np.float64], width: int) -> tuple[int, ...]:
    """The `width` highest, in order of place; of equal ones the first."""
    best = np.argsort(-scores, kind="stable")[:width]
    return tuple(sorted(int(unit) for unit in best))


def composed(plans: Sequence[Plan]) -> Plan:
    """Plans carried out one after another as one: each numbers the units the last one left."""
    kept: dict[str, tuple[int, ...]] = {}
    dropped: dict[str, None] = {}
    for plan in plans:
        for name, units in plan.kept.items():
            earlier = kept.get(name)
            kept[name] = units if earlier is None else tuple(earlier[u] for u in units)
        dropped.update(dict.fromkeys(plan.dropped_blocks))
    return Plan(kept=kept, dropped_blocks=tuple(dropped))
