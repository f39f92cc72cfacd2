"""Penalties that empty units during training, so that cutting them afterwards costs little.

A penalty is a function of the module that trains, added to its loss. It addresses parameters by
name, so that it serves the graph's own module and any copy of it. It penalizes the weights that
surgery removes: a unit's weights in every layer its group of coupled widths runs through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, get_args

import torch
from torch import Tensor, fx

from edgekit.errors import UsageError
from edgekit.graph.graph import Group, WidthGraph
from edgekit.prune.importance import batch_norm_scales
from edgekit.suggestions import suggest
from edgekit.types import Plan, Sparsity

Penalty = Callable[[fx.GraphModule], Tensor]

STRENGTH: dict[Sparsity, float] = {
    "l1-scales": 5e-2,
    "group-lasso": 4e-3,
    "growing": 1.0,
}
"""Pull per weight, as a learning rate scales it; for `growing`, where its growth ends."""
_TINY = 1e-12
"""Keeps the slope of a norm finite at zero."""


def penalty(
    kind: str,
    graph: WidthGraph,
    *,
    plan: Plan | None = None,
    steps: int | None = None,
    strength: float | None = None,
) -> Penalty:
    """The penalty of that name; `growing` needs the plan it prepares for, and in how many steps.

    Raises `UsageError` for an unknown name, and where the network or an argument lacks what the
    penalty needs.
    """
    if kind not in STRENGTH:
        known = [name for name in get_args(Sparsity) if name in STRENGTH]
        hint = suggest(kind, known)
        raise UsageError(
            f"No sparsity penalty {kind!r}.{hint} Known: {', '.join(known)}."
        )
    if kind == "l1-scales":
        return l1_scales(graph, strength or STRENGTH["l1-scales"])
    if kind == "group-lasso":
        return group_lasso(graph, strength or STRENGTH["group-lasso"])
    if plan is None or steps is None:
        raise UsageError(
            "The growing penalty needs the plan of units to go and the number of steps."
        )
    return Growing(graph, plan, steps=steps, ceiling=strength or STRENGTH["growing"])


def l1_scales(graph: WidthGraph, strength: float = STRENGTH["l1-scales"]) -> Penalty:
    """`strength` times the sum of |scale| over the batch norms on prunable dimensions.

    Sparsity of scales (Liu et al., 2017, arXiv:1708.06519). Raises `UsageError` where there are
    none.
    """
    prunable = {slot.parameter for group in graph.groups for slot in group.slots}
    names = [name for name in batch_norm_scales(graph.program) if name in prunable]
    if not names:
        raise UsageError(
            "The penalty 'l1-scales' needs batch norm with a scale on a prunable dimension, and "
            "the network has none. Choose 'group-lasso'."
        )
    names = list(dict.fromkeys(names))

    def total(module: fx.GraphModule) -> Tensor:
        scales = torch.cat([module.get_parameter(name) for name in names])
        return strength * scales.abs().sum()

    return total


def group_lasso(
    graph: WidthGraph, strength: float = STRENGTH["group-lasso"]
) -> Penalty:
    """`strength` times the sum over units of sqrt(weights) * norm of the unit's weights.

    Wen et al., 2016, arXiv:1608.03665, over all layers a unit runs through; the square root of
    the number of weights (Yuan and Lin, 2006, doi:10.1111/j.1467-9868.2005.00532.x) makes the
    pull on a weight of typical size the same in small units and large.
    """
    energies = _Energies(graph)
    sizes = energies.sizes().sqrt()

    def total(module: fx.GraphModule) -> Tensor:
        norms = torch.sqrt(energies(module) + _TINY)
        return strength * (sizes.to(norms) * norms).sum()

    return total


class Growing:
    """Weight decay that grows, on the units that `plan` removes and on no others.

    Growing regularization (Wang et al., 2021, arXiv:2012.09243): the coefficient climbs evenly
    from 0 to `ceiling` over `steps` calls and stays there, so that the network moves out of these
    units while they fade instead of losing them at once.
    """

    def __init__(
        self,
        graph: WidthGraph,
        plan: Plan,
        *,
        steps: int,
        ceiling: float = STRENGTH["growing"],
    ) -> None:
        if steps < 1:
            raise UsageError(f"Growing over {steps} steps: give it at least 1.")
        self.strength = 0.0
        self._ceiling = ceiling
        self._increment = ceiling / steps
        self._energies = _Energies(graph)
        self._going = self._energies.select(
            {name: set(units) for name, units in plan.kept.items()}
        )

    def __call__(self, module: fx.GraphModule) -> Tensor:
        """Half the coefficient times the sum of squares; then the coefficient grows."""
        energies = self._energies(module)
        total = 0.5 * self.strength * (energies * self._going.to(energies)).sum()
        self.strength = min(self.strength + self._increment, self._ceiling)
        return total


class _Energies:
    """Sum of squared weights of every unit of every group, (all units,), in one gather.

    Where each sum of a parameter's squares goes is worked out once: a step then reads every weight
    once, writes its gradient once, and scatters short vectors.
    """

    def __init__(self, graph: WidthGraph) -> None:
        parameters = {
            name: parameter
            for name, parameter in graph.program.module.named_parameters(
                remove_duplicate=False
            )
            if parameter.is_floating_point()
        }
        self._groups = graph.groups
        self._sums: dict[str, list[int]] = {}
        """Parameter -> the dimensions whose indices its squares are summed for."""
        self._offsets = _offsets(graph.groups)
        source: list[int] = []
        target: list[int] = []
        weights: list[int] = []
        start = 0
        for name, dim, slots in _by_dimension(graph.groups, parameters):
            self._sums.setdefault(name, []).append(dim)
            shape = parameters[name].shape
            for group, units in slots:
                offset = self._offsets[group]
                for index, members in enumerate(units):
                    source += [start + index] * len(members)
                    target += [offset + unit for unit in members]
                    weights += [shape.numel() // shape[dim]] * len(members)
            start += shape[dim]
        self._count = sum(group.units for group in graph.groups)
        self._source = torch.tensor(source, dtype=torch.int64)
        self._target = torch.tensor(target, dtype=torch.int64)
        self._weights = torch.tensor(weights, dtype=torch.float32)

    def __call__(self, module: fx.GraphModule) -> Tensor:
        parts = []
        for name, dims in self._sums.items():
            parts += _SquaresAlong.apply(module.get_parameter(name), dims)  # type: ignore[no-untyped-call]
        sums = torch.cat(parts)
        device = sums.device
        if self._source.device != device:
            self._source = self._source.to(device)
            self._target = self._target.to(device)
        return sums.new_zeros(self._count).index_add(
            0, self._target, sums[self._source]
        )

    def sizes(self) -> Tensor:
        """Number of weights of every unit."""
        return torch.zeros(self._count).index_add(0, self._target, self._weights)

    def select(self, kept: dict[str, set[int]]) -> Tensor:
        """1 for the units of the groups named that are not kept, 0 for all others."""
        going = torch.zeros(self._count)
        for group in self._groups:
            stay = kept.get(group.id)
            if stay is not None:
                start = self._offsets[group.id]
                gone = [start + u for u in range(group.units) if u not in stay]
                going[gone] = 1.0
        return going


class _SquaresAlong(torch.autograd.Function):
    """Sums of squares along some dimensions, one vector each.

    Autograd's own way writes a square and an expanded gradient per weight and dimension; a large
    network's penalty then costs several times as much.
    """

    @staticmethod
    def forward(ctx: Any, weights: Tensor, dims: Sequence[int]) -> tuple[Tensor, ...]:
        ctx.save_for_backward(weights)
        ctx.dims = dims
        rest = [d for d in range(weights.dim()) if d not in dims]
        squares = weights.square()
        squares = squares.sum(rest, keepdim=True) if rest else squares
        return tuple(
            squares.sum([d for d in range(weights.dim()) if d != dim])
            if weights.dim() > 1
            else squares.clone()
            for dim in dims
        )

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (weights,) = ctx.saved_tensors
        factor = weights.new_zeros([1] * weights.dim())
        for dim, gradient in zip(ctx.dims, gradients, strict=True):
            shape = [1] * weights.dim()
            shape[dim] = -1
            factor = factor + gradient.reshape(shape)
        return 2 * factor * weights, None


Slots = list[tuple[str, tuple[tuple[int, ...], ...]]]


def _by_dimension(
    groups: tuple[Group, ...], parameters: dict[str, torch.nn.Parameter]
) -> list[tuple[str, int, Slots]]:
    """(parameter, dimension, what lives there), a parameter's dimensions one after another.

    Buffers, which nothing trains, are left out.
    """
    found: dict[tuple[str, int], Slots] = {}
    for group in groups:
        for slot in group.slots:
            if slot.parameter in parameters:
                key = (slot.parameter, slot.dim)
                found.setdefault(key, []).append((group.id, slot.units))
    order = {name: number for number, name in enumerate(parameters)}
    return [
        (name, dim, found[name, dim])
        for name, dim in sorted(found, key=lambda key: (order[key[0]], key[1]))
    ]


def _offsets(groups: tuple[Group, ...]) -> dict[str, int]:
    offsets, start = {}, 0
    for group in groups:
        offsets[group.id] = start
        start += group.units
    return offsets
