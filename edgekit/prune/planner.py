"""The planner: from what widths and blocks cost and how much they matter to what is kept.

The widths of all groups of coupled dimensions and whole residual blocks are decided together,
for budgets of time, parameters, activation memory and operations together. The objective is the
expected loss increase, as far as it was measured (`edgekit/prune/objective.py`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from functools import partial

from torch import fx

from edgekit.cost.operator_shape import describe, groups_at, parameter_nodes
from edgekit.cost.table import CostTable
from edgekit.cost.width_candidates import scanned, width_candidates, width_options
from edgekit.devices import Device
from edgekit.errors import BudgetInfeasible
from edgekit.graph.graph import WidthGraph
from edgekit.prune.activations import activation_terms, peak_bytes, steps
from edgekit.prune.cost_terms import (
    Options,
    Widths,
    blocks_of_nodes,
    operator_terms,
    parameter_terms,
)
from edgekit.prune.objective import Importance, PlanObjective, keep_best
from edgekit.prune.solution import Limits, Solution, over
from edgekit.prune.solver import Choice, Program, Sum
from edgekit.types import OperatorRow, Plan, Sensitivity, WidthRow
from edgekit.types.measurement_notes import OperatorsUnmetered
from edgekit.types.operator_shape import OperatorShape

_TIGHTER = 1 - 1e-5


class Planner:
    """Everything about one network on one runtime that does not depend on the budget."""

    def __init__(
        self,
        graph: WidthGraph,
        table: CostTable,
        *,
        multiple: int,
        min_keep: float,
        options: Options | None = None,
        drop_blocks: bool = False,
    ) -> None:
        """`options` of the network this one was cut from are offered again where they fit.

        `min_keep` is the least fraction that stays of each group's units and, where blocks may be
        dropped, of all blocks.
        """
        self.graph = graph
        self.table = table
        self.min_keep = min_keep
        self.blocks = graph.blocks if drop_blocks else ()
        self._scans = options is None and table.provenance != "estimated"
        self.options = {
            group.id: tuple(w for w in options[group.id] if w <= group.units)
            if options and group.id in options
            else width_options(group, multiple=multiple, min_keep=min_keep)
            for group in graph.groups
        }
        self._inside = blocks_of_nodes(graph)
        self._homes = inner_groups(graph)
        self._together = steps(graph)
        self.device: Device | None = None
        """Where `measure` took costs."""
        self._describe()

    def _describe(self) -> None:
        """Tables over the widths on offer, made from shapes once."""
        self._forget()
        self._operators = operator_terms(self.graph, self.options)
        self._parameters = parameter_terms(self.graph, self.options)
        self._activations = activation_terms(self.graph, self._together, self.options)

    def _forget(self) -> None:
        self._least: dict[tuple[str, tuple[tuple[str, float], ...]], Solution] = {}
        self._least_by = self.table.correction

    @property
    def exact(self) -> bool:
        """Return whether cost is exact for every choice; else it is an upper bound."""
        return all(term.exact for term in self._operators)

    def measure(
        self,
        device: Device | None,
        on_progress: Callable[[int, int], None] | None = None,
        minutes: float = math.inf,
    ) -> int:
        """Find the widths at which cost drops; measure every cell the solver may look up.

        After `minutes` cells are interpolated from those there are.
        """
        deadline = time.monotonic() + 60 * minutes
        self._forget()
        self.device = device
        measured = 0
        if self._scans:
            scans = scanned(self.graph, self.min_keep)
            cells = [operator for scan in scans for operator in scan.operators()]
            measured += self.table.measure(cells, device, on_progress, deadline)
            self.options = {
                s.group: width_candidates(s, self.table.cost, self.table.tolerance)
                for s in scans
            }
            self._describe()
        shapes = (cell for term in self._operators for cell in term.cells.values())
        return measured + self.table.measure(shapes, device, on_progress, deadline)

    def meter_power(
        self,
        device: Device,
        meter: str,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> OperatorsUnmetered | None:
        """Give the measured cells energy; why there is none, `None` where there is."""
        self._forget()
        cells = (cell for term in self._operators for cell in term.cells.values())
        return self.table.meter_power(cells, device, meter, on_progress)

    def cost(
        self, widths: Widths, device: Device | None, dropped: Collection[str] = ()
    ) -> float:
        """Cost of the network with these widths by the table, measuring cells that are missing."""
        operators = [o for _, o in self.operators(widths, dropped)]
        self.table.measure(operators, device)
        return sum(self.table.cost(operator) for operator in operators)

    def cost_of(self, solution: Solution) -> float:
        """Cost of a solution's network by the table, measuring cells that are missing."""
        return self.cost(solution.widths, self.device, solution.dropped)

    def operators(
        self, widths: Widths | None = None, dropped: Collection[str] = ()
    ) -> list[tuple[str, OperatorShape]]:
        """Every operator that costs something, by its layer's name, in order of execution."""
        found = self._described(widths, dropped)
        return [(_layer(node), operator) for node, operator in found.items()]

    def rows(
        self, widths: Widths, dropped: Collection[str] = ()
    ) -> tuple[OperatorRow, ...]:
        """Where time goes before and after, by the table, measuring cells that are missing."""
        whole, after = self._described(), self._described(widths, dropped)
        self._measured([*whole.values(), *after.values()])
        return tuple(
            OperatorRow(
                name=_layer(node),
                kind=before.kind,
                before=self.table.cost(before),
                after=self.table.cost(after[node]) if node in after else 0.0,
            )
            for node, before in whole.items()
        )

    def width_rows(
        self, widths: Widths, dropped: Collection[str] = ()
    ) -> tuple[WidthRow, ...]:
        """Every group before and after; nothing is left of one that leaves with its block."""
        gone = self.gone(dropped)
        return tuple(
            WidthRow(
                group=group.id,
                kind=group.kind,
                before=group.units,
                after=0 if group.id in gone else widths.get(group.id, group.units),
                layers=tuple(
                    dict.fromkeys(
                        slot.parameter.rpartition(".")[0] or slot.parameter
                        for slot in group.slots
                    )
                ),
            )
            for group in self.graph.groups
        )

    def cost_at(self, group: str) -> float:
        """Cost of the operators whose cost a group moves, all groups whole."""
        operators = [
            operator
            for node, operator in self._described().items()
            if group in groups_at(self.graph, node)
        ]
        self._measured(operators)
        return sum(map(self.table.cost, operators))

    def _measured(self, operators: Collection[OperatorShape]) -> None:
        """Fill the cells that are missing: widths that are possible are not all on offer."""
        self.table.measure(operators, self.device)

    def parameters(
        self, widths: Widths | None = None, dropped: Collection[str] = ()
    ) -> int:
        """Number of weights of the network with these widths."""
        nodes = zip(parameter_nodes(self.graph), self._parameters, strict=True)
        return sum(
            math.prod(self.graph.shape(node, widths or {}))
            for node, term in nodes
            if not set(dropped) & set(term.blocks)
        )

    def macs(self, widths: Widths | None = None, dropped: Collection[str] = ()) -> int:
        """Multiply-adds of one inference with these widths, without the dropped blocks."""
        return sum(operator.macs for _, operator in self.operators(widths, dropped))

    def activation_bytes(
        self, widths: Widths | None = None, dropped: Collection[str] = ()
    ) -> int:
        """The most that activations take at once, batch size 1."""
        return peak_bytes(self.graph, self._together, widths or {}, dropped)

    def cheapest(
        self, resource: str = "cost", limits: Limits | None = None
    ) -> Solution:
        """The least of a resource (a field of `Limits`) on offer, inside the other limits.

        Solved once for the same costs.
        """
        others = (limits or Limits()).given()
        others.pop(resource, None)
        if self._least_by is not self.table.correction:
            self._least, self._least_by = {}, self.table.correction
        asked = resource, tuple(others.items())
        if asked not in self._least:
            self._least[asked] = self._solve(resource, others, None)
        return self._least[asked]

    def whole(self) -> Solution:
        """The network as it is."""
        widths = {group.id: group.units for group in self.graph.groups}
        return self._solution(Choice(widths=widths, dropped=(), gap=0.0), None)

    def planned(self, plan: Plan) -> Solution:
        """The limits and costs of a given plan."""
        widths = {
            group.id: len(plan.kept.get(group.id, range(group.units)))
            for group in self.graph.groups
        }
        choice = Choice(widths=widths, dropped=plan.dropped_blocks, gap=0.0)
        return replace(self._solution(choice, None), plan=plan)

    def gone(self, dropped: Collection[str]) -> set[str]:
        """The groups that leave with these blocks."""
        return {group for group, block in self._homes.items() if block in dropped}

    def solve(
        self,
        importance: Importance,
        limits: Limits,
        sensitivity: Sensitivity | None = None,
    ) -> Solution:
        """The least damaged network inside `limits`; raises `BudgetInfeasible` where none is.

        Blocks whose sensitivity was not measured stay.
        """
        objective = PlanObjective(
            graph=self.graph, importance=importance, sensitivity=sensitivity
        )
        return self._solve(None, limits.given(), objective)

    def _solve(
        self,
        least: str | None,
        limits: Mapping[str, float],
        objective: PlanObjective | None,
    ) -> Solution:
        model = self._program(objective)
        for name, most in limits.items():
            for amount in self._amounts(model, name):
                model.limit(amount, most)
        if objective is not None:
            goal = self._losses(model, objective)
        else:
            goal = model.largest(list(self._amounts(model, least or "cost")))
        choice = model.minimize(goal)
        if choice is None:
            raise BudgetInfeasible("No network inside these limits.")
        solution = self._solution(choice, objective)
        tighter = {
            name: most * _TIGHTER
            for name, most in limits.items()
            if over(getattr(solution, name), most)
        }
        if tighter:  # over by no more than the solver's tolerance
            return self._solve(least, {**limits, **tighter}, objective)
        return solution

    def _program(self, objective: PlanObjective | None) -> Program:
        blocks = [
            b for b in self.blocks if objective is None or b.id in objective.droppable
        ]
        model = Program(self.options, blocks, self._homes)
        model.keep_blocks(math.ceil(self.min_keep * len(blocks)))
        return model

    def _amounts(self, model: Program, resource: str) -> Iterator[Sum]:
        """The expressions that a limit on a resource bounds: one, or one for every step."""
        if resource == "cost":
            yield self._cost_sum(model)
        elif resource == "macs":
            yield model.total(self._operators, lambda operator: operator.macs)
        elif resource == "energy_mj":
            yield model.total(self._operators, self._energy_of)
        elif resource == "parameters":
            yield model.total(self._parameters, math.prod)
        else:
            for step in self._together:
                yield sum(
                    (
                        model.total(
                            [self._activations[buffer.node]],
                            partial(_bytes, buffer.item_bytes),
                        )
                        for buffer in step
                    ),
                    Sum(),
                )

    def _cost_sum(self, model: Program) -> Sum:
        return model.total(self._operators, self.table.cost)

    def _energy_of(self, operator: OperatorShape) -> float:
        return self.table.energy_mj(operator) or 0.0

    def _losses(self, model: Program, objective: PlanObjective) -> Sum:
        """The loss to be minimized."""
        weights = {
            pick: objective.of_width(group, width)
            for group in self.graph.groups
            for width, pick in model.picks[group.id].items()
        }
        drops = {v: objective.of_dropping(name) for name, v in model.drops.items()}
        return Sum(weights={**weights, **drops})

    def _solution(self, choice: Choice, objective: PlanObjective | None) -> Solution:
        dropped = choice.dropped
        gone = self.gone(dropped)
        widths = {
            group.id: group.units if group.id in gone else choice.widths[group.id]
            for group in self.graph.groups
        }
        kept = keep_best(
            self.graph.groups, widths, objective.importance if objective else {}
        )
        return Solution(
            plan=Plan(kept=kept.kept, dropped_blocks=dropped),
            widths=widths,
            cost=self._total(self.table.cost, widths, dropped),
            energy_mj=self._total(self._energy_of, widths, dropped)
            if self.table.metered
            else None,
            parameters=self.parameters(widths, dropped),
            activation_bytes=self.activation_bytes(widths, dropped),
            macs=self.macs(widths, dropped),
            expected_loss_increase=objective.expected_loss_increase(widths, dropped)
            if objective
            else None,
            gap=choice.gap,
            exact=self.exact,
        )

    def _total(
        self,
        value: Callable[[OperatorShape], float],
        widths: Widths,
        dropped: Collection[str],
    ) -> float:
        """Of all operators, as the solver sees it."""
        return sum(
            term.values(value)[term.at(widths)]
            for term in self._operators
            if not set(dropped) & set(term.blocks)
        )

    def _described(
        self, widths: Widths | None = None, dropped: Collection[str] = ()
    ) -> dict[fx.Node, OperatorShape]:
        found = {}
        for node in self.graph.program.module.graph.nodes:
            if not set(dropped) & set(self._inside.get(node, ())):
                operator = describe(self.graph, node, widths)
                if operator is not None:
                    found[node] = operator
        return found


def inner_groups(graph: WidthGraph) -> dict[str, str]:
    """The groups that live in one residual block alone, and which."""
    found: dict[str, str] = {}
    for block in graph.blocks:
        inside = set(block.parameters)
        for group in graph.groups:
            if inside.issuperset(slot.parameter for slot in group.slots):
                found.setdefault(group.id, block.id)
    return found


def _bytes(item_bytes: int, shape: tuple[int, ...]) -> int:
    return item_bytes * math.prod(shape)


def _layer(node: fx.Node) -> str:
    """The layer whose weight an operator reads, or the operator's own name."""
    if len(node.args) > 1:
        weight = node.args[1]
        if isinstance(weight, fx.Node) and weight.op == "get_attr":
            return str(weight.target).removesuffix(".weight")
    return node.name
