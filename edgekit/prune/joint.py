"""Widths, blocks and the precision of each operator in one program.

An operator's form, float or int8, is one more axis of its cost, and each tensor between two
operators has a term that is the cost of converting it where their forms differ. The damage of
int8, measured an operator at a time on the network as it is, adds to that of the cuts.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

from torch import fx

from edgekit.cost.operator_shape import describe
from edgekit.cost.table import CostTable
from edgekit.devices import Device
from edgekit.graph.graph import WidthGraph
from edgekit.prune.cost_terms import Axis, Options, Term, Widths, tensor_term
from edgekit.prune.objective import PlanObjective
from edgekit.prune.planner import Planner
from edgekit.prune.solution import Solution
from edgekit.prune.solver import Choice, Program, Sum
from edgekit.types.operator_shape import OperatorShape

_FLOAT, _INT8 = 0, 1
_FORMS = (_FLOAT, _INT8)
_READERS = 3
"""Readers of one tensor that share a conversion; each of more has one of its own, which counts
too much."""


@dataclass(frozen=True, kw_only=True)
class Forms:
    """The second form of a network's operators: the first is that of the planner's table."""

    int8: CostTable
    """In the unit of the planner's table."""
    to_int8: Callable[[int], float]
    """Cost of converting as many values."""
    to_float: Callable[[int], float]
    damage: Mapping[str, float]
    """Expected loss increase of each operator in int8, by its node's name; those that have none
    stay in float."""


class _Formed(NamedTuple):
    operator: OperatorShape
    form: int


class _Converted(NamedTuple):
    """A tensor of so many values, and the directions in which it is converted."""

    values: int
    to_int8: bool
    to_float: bool


class JointPlanner(Planner):
    """A planner that chooses the precision of each operator, too: `Solution.in_int8`."""

    def __init__(  # noqa: PLR0913 (a planner's, and the second form)
        self,
        graph: WidthGraph,
        table: CostTable,
        forms: Forms,
        *,
        multiple: int,
        min_keep: float,
        options: Options | None = None,
        drop_blocks: bool = False,
    ) -> None:
        """`table` has the costs in float; see `Planner`."""
        self.forms = forms
        super().__init__(
            graph,
            table,
            multiple=multiple,
            min_keep=min_keep,
            options=options,
            drop_blocks=drop_blocks,
        )

    def measure(
        self,
        device: Device | None,
        on_progress: Callable[[int, int], None] | None = None,
        minutes: float = math.inf,
    ) -> int:
        """Measure both forms of every cell that the solver may look up.

        After `minutes` for each form, cells are interpolated from those there are.
        """
        measured = super().measure(device, on_progress, minutes)
        deadline = time.monotonic() + 60 * minutes
        cells = [cell for term in self._operators for cell in term.cells.values()]
        return measured + self.forms.int8.measure(cells, device, on_progress, deadline)

    def cost_of(self, solution: Solution) -> float:
        """Cost of a solution's network in the forms that it chose."""
        return self.cost_in_forms(solution.widths, solution.in_int8, solution.dropped)

    def _describe(self) -> None:
        super()._describe()
        nodes = self.graph.program.module.graph.nodes
        operators = [n for n in nodes if describe(self.graph, n) is not None]
        self._axes = {
            node: _axis(node) for node in operators if node.name in self.forms.damage
        }
        pairs = list(zip(operators, self._operators, strict=True))
        self._formed = [_formed(term, self._axes.get(node)) for node, term in pairs]
        self._tensors = [
            tensor
            for source, readers in _read_tensors(operators)
            for tensor in self._conversions(source, readers)
        ]
        self._harms = {
            node.name: _formed(replace(term, axes=(), cells=_first(term)), axis)
            for node, term in pairs
            if (axis := self._axes.get(node)) is not None
        }

    def _conversions(
        self, source: fx.Node, readers: Sequence[fx.Node | None]
    ) -> list[Term[Any]]:
        """Costs of converting a tensor for its readers; the network's output is read in float."""
        size = tensor_term(self.graph, source, self.options)
        few = len(readers) <= _READERS
        parts = [readers] if few else [[reader] for reader in readers]
        return [self._conversion(size, source, part) for part in parts]

    def _conversion(
        self, size: Term[Any], source: fx.Node, readers: Sequence[fx.Node | None]
    ) -> Term[Any]:
        ends = [self._axes.get(end) if end else None for end in (source, *readers)]
        axes = tuple(dict.fromkeys(axis for axis in ends if axis is not None))
        cells = {}
        for levels, shape in size.cells.items():
            for forms in itertools.product(_FORMS, repeat=len(axes)):
                known = dict(zip(axes, forms, strict=True))
                given, *taken = [
                    known.get(axis, _FLOAT) if axis else _FLOAT for axis in ends
                ]
                cells[(*levels, *forms)] = _Converted(
                    values=math.prod(shape),
                    to_int8=given == _FLOAT and _INT8 in taken,
                    to_float=given == _INT8 and _FLOAT in taken,
                )
        # An operator of a dropped block passes on what it takes, in whichever form.
        return Term(axes=(*size.axes, *axes), cells=cells, exact=size.exact)

    def _program(self, objective: PlanObjective | None) -> Program:
        blocks = [
            b for b in self.blocks if objective is None or b.id in objective.droppable
        ]
        choices = {axis.name: axis.levels for axis in self._axes.values()}
        model = Program({**self.options, **choices}, blocks, self._homes)
        model.keep_blocks(math.ceil(self.min_keep * len(blocks)))
        return model

    def _cost_sum(self, model: Program) -> Sum:
        operators = model.total(self._formed, self._cost_of_form)
        return operators + model.total(self._tensors, self._cost_of_conversion)

    def _losses(self, model: Program, objective: PlanObjective) -> Sum:
        harms = [
            model.total([term], partial(self._harm, name))
            for name, term in self._harms.items()
        ]
        return sum(harms, super()._losses(model, objective))

    def _solution(self, choice: Choice, objective: PlanObjective | None) -> Solution:
        found = super()._solution(choice, objective)
        forms = {
            axis.name: choice.widths.get(axis.name, _FLOAT)
            for axis in self._axes.values()
        }
        in_int8 = tuple(n.name for n, a in self._axes.items() if forms[a.name] == _INT8)
        cost = self.cost_in_forms(found.widths, in_int8, choice.dropped)
        damage = found.expected_loss_increase
        if damage is not None:
            damage += self._harm_of(in_int8, choice.dropped)
        return replace(found, cost=cost, expected_loss_increase=damage, in_int8=in_int8)

    def cost_in_forms(
        self, widths: Widths, in_int8: Collection[str], dropped: Collection[str] = ()
    ) -> float:
        """Cost of the network with these widths and operators in int8, conversions counted."""
        forms = {axis.name: int(n.name in in_int8) for n, axis in self._axes.items()}
        whole = {**widths, **forms}
        parts: list[tuple[Term[Any], Callable[[Any], float]]]
        parts = [(term, self._cost_of_form) for term in self._formed]
        parts += [(term, self._cost_of_conversion) for term in self._tensors]
        return sum(
            term.values(value)[term.at(whole)]
            for term, value in parts
            if not set(dropped) & set(term.blocks)
        )

    def _harm_of(self, in_int8: Collection[str], dropped: Collection[str]) -> float:
        return sum(
            self.forms.damage[name]
            for name in in_int8
            if not set(dropped) & set(self._harms[name].blocks)
        )

    def _harm(self, name: str, formed: _Formed) -> float:
        return self.forms.damage[name] if formed.form == _INT8 else 0.0

    def _cost_of_form(self, formed: _Formed) -> float:
        table = self.forms.int8 if formed.form == _INT8 else self.table
        return table.cost(formed.operator)

    def _cost_of_conversion(self, tensor: _Converted) -> float:
        cost = self.forms.to_int8(tensor.values) if tensor.to_int8 else 0.0
        return cost + (self.forms.to_float(tensor.values) if tensor.to_float else 0.0)


def _axis(node: fx.Node) -> Axis:
    """The form of an operator."""
    name = f"form of {node.name}"
    return Axis(name=name, levels=_FORMS, group=name)


def _formed(term: Term[OperatorShape], axis: Axis | None) -> Term[Any]:
    """An operator's term with its form as the last axis; without one it is in float."""
    if axis is None:
        cells = {at: _Formed(each, _FLOAT) for at, each in term.cells.items()}
        return Term(axes=term.axes, cells=cells, blocks=term.blocks, exact=term.exact)
    return Term(
        axes=(*term.axes, axis),
        cells={
            (*at, form): _Formed(each, form)
            for at, each in term.cells.items()
            for form in axis.levels
        },
        blocks=term.blocks,
        exact=term.exact,
    )


def _first(term: Term[OperatorShape]) -> dict[tuple[int, ...], OperatorShape]:
    return {(): next(iter(term.cells.values()))}


def _read_tensors(
    operators: Sequence[fx.Node],
) -> list[tuple[fx.Node, list[fx.Node | None]]]:
    """Each tensor that an operator or the network's input gives, and the operators that read it,
    through what costs nothing; `None` is the network's output."""
    known = set(operators)
    readers: dict[fx.Node, dict[fx.Node | None, None]] = {}
    [output] = operators[0].graph.find_nodes(op="output")
    for reader in (*operators, output):
        todo, seen = [*reader.all_input_nodes], set[fx.Node]()
        while todo:
            node = todo.pop()
            if node in seen or node.op == "get_attr":
                continue
            seen.add(node)
            if node in known or node.op == "placeholder":
                end = None if reader is output else reader
                readers.setdefault(node, {})[end] = None
            else:
                todo += node.all_input_nodes
    return [(source, [*ends]) for source, ends in readers.items()]
