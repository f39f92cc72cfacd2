"""The layers that read a width, and what was seen at their inputs.

A consumer is a convolution, a linear layer, a product with a parameter or a recurrent cell's
weight; its reading dimension runs over the channels of its input.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from edgekit.program.program import Program

_CONVOLUTIONS = {"conv1d", "conv2d", "conv3d"}
_TRANSPOSED = {"conv_transpose1d", "conv_transpose2d", "conv_transpose3d"}
WIDEST = 2048
"""Inputs with more channels than this are taken to be uncorrelated: their second moments would be
too many."""


@dataclass(frozen=True, kw_only=True)
class Consumer:
    """`parameter` reads, along its `dim`, the channels of `source` (along `channel_dim`).

    `source` is `None` where the input cannot be seen: hidden states inside a recurrent cell,
    which stay between -1 and 1.
    """

    parameter: str
    dim: int
    source: fx.Node | None
    channel_dim: int = -1
    groups: int = 1
    channels: int

    def spread(self, weights: Tensor, per_channel: Tensor) -> Tensor:
        """`per_channel` (channels,) laid out so that it multiplies `weights`."""
        shape = [1] * weights.dim()
        shape[self.dim] = weights.shape[self.dim]
        if self.dim == 0 or self.groups == 1:
            return per_channel.reshape(shape)
        outputs = weights.shape[0] // self.groups
        by_group = per_channel.reshape(self.groups, -1).repeat_interleave(outputs, 0)
        return by_group.reshape(weights.shape[0], *shape[1:])

    def lost(self, weights: Tensor, moments: Tensor) -> Tensor:
        """Fraction of the layer's output that leaves with each weight's channel, as weights' shape.

        `w_j^2 / inv(H)_jj`, with `H` the second moments of the input: what the other channels
        cannot make up for. Where `H` is only a diagonal, nothing can be made up for.
        """
        if moments.dim() == 1:
            kept, energy = moments, self._energy(weights, moments)
        else:
            damping = 0.01 * moments.diagonal().mean() + 1e-12
            damped = moments + damping * torch.eye(len(moments), device=moments.device)
            kept = 1 / torch.linalg.inv(damped).diagonal().clamp_min(1e-12)
            kept = torch.minimum(kept, moments.diagonal())
            energy = self._energy(weights, moments.diagonal())
        return weights**2 * self.spread(weights, kept) / energy

    def _energy(self, weights: Tensor, second: Tensor) -> Tensor:
        return (weights**2 * self.spread(weights, second)).sum() + 1e-12


def consumers(program: Program) -> tuple[Consumer, ...]:
    """Every consumer of the network, in the order of the graph."""
    found: list[Consumer] = []
    for node in program.module.graph.nodes:
        if node.op == "call_function":
            found += _of_node(program.module, node)
    return tuple(found)


def _of_node(module: fx.GraphModule, node: fx.Node) -> Iterator[Consumer]:
    name = getattr(node.target, "__name__", "").partition(".")[0]
    if name in _CONVOLUTIONS | _TRANSPOSED:
        yield from _of_convolution(module, node, transposed=name in _TRANSPOSED)
    elif name == "linear":
        yield from _of_product(module, node, dim=1)
    elif name == "matmul":
        yield from _of_product(module, node, dim=0)
    elif name in ("lstm", "gru"):
        yield from _of_cell(module, node)


def _of_convolution(
    module: fx.GraphModule, node: fx.Node, *, transposed: bool
) -> Iterator[Consumer]:
    weight = _parameter(module, node.args[1])
    if weight is None:
        return
    at = 6
    groups = node.args[at] if len(node.args) > at else node.kwargs.get("groups", 1)
    assert isinstance(groups, int)
    shape = module.get_parameter(weight).shape
    yield Consumer(
        parameter=weight,
        dim=0 if transposed else 1,
        source=_node(node.args[0]),
        channel_dim=1 - len(shape),
        groups=groups,
        channels=shape[0] if transposed else shape[1] * groups,
    )


def _of_product(
    module: fx.GraphModule, node: fx.Node, *, dim: int
) -> Iterator[Consumer]:
    weight = _parameter(module, node.args[1])
    if weight is None or module.get_parameter(weight).dim() != 2:
        return
    yield Consumer(
        parameter=weight,
        dim=dim,
        source=_node(node.args[0]),
        channels=module.get_parameter(weight).shape[dim],
    )


def _of_cell(module: fx.GraphModule, node: fx.Node) -> Iterator[Consumer]:
    """A recurrent cell's weights: the first layer reads the input, the rest hidden states."""
    lists = [a for a in node.args if isinstance(a, (list, tuple))]
    parameters: Sequence[Any] = lists[-1]
    matrices = [
        name
        for argument in parameters
        if (name := _parameter(module, argument)) is not None
        and module.get_parameter(name).dim() == 2
    ]
    both_ways = bool(node.args[7])
    for position, name in enumerate(matrices):
        first = position % 2 == 0 and position < (4 if both_ways else 2)
        yield Consumer(
            parameter=name,
            dim=1,
            source=_node(node.args[0]) if first else None,
            channels=module.get_parameter(name).shape[1],
        )


def moments(
    program: Program,
    found: Sequence[Consumer],
    batches: Sequence[tuple[Tensor, ...]],
    *,
    cross: bool,
) -> dict[Consumer, Tensor]:
    """Mean square of each consumer's input by channel, (channels,); with `cross`, of every pair of
    channels, (channels, channels), where their number allows."""
    recorder = _Recorder(program.module, found, cross)
    with torch.no_grad():
        for inputs in batches:
            recorder.run(*inputs)
    return {consumer: recorder.mean(consumer) for consumer in found}


class _Recorder(fx.Interpreter):
    def __init__(
        self, module: fx.GraphModule, found: Sequence[Consumer], cross: bool
    ) -> None:
        super().__init__(module)
        self.cross = cross
        self.sums: dict[tuple[fx.Node, int], Tensor] = {}
        self.counts: dict[tuple[fx.Node, int], int] = {}
        self.requested: dict[fx.Node, set[int]] = {}
        for consumer in found:
            if consumer.source is not None:
                self.requested.setdefault(consumer.source, set()).add(
                    consumer.channel_dim
                )

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        for dim in self.requested.get(n, ()):
            self._add((n, dim), value)
        return value

    def _add(self, key: tuple[fx.Node, int], value: Tensor) -> None:
        rows = value.movedim(key[1], -1).reshape(-1, value.shape[key[1]]).float()
        narrow = rows.shape[1] <= WIDEST
        total = rows.T @ rows if self.cross and narrow else (rows**2).sum(0)
        self.sums[key] = self.sums.get(key, 0) + total
        self.counts[key] = self.counts.get(key, 0) + len(rows)

    def mean(self, consumer: Consumer) -> Tensor:
        if consumer.source is None:
            weights = self.module.get_parameter(consumer.parameter)
            return torch.ones(consumer.channels, device=weights.device)
        key = (consumer.source, consumer.channel_dim)
        return self.sums[key] / self.counts[key]


def _parameter(module: fx.GraphModule, argument: Any) -> str | None:
    """The parameter that an argument is, or `None` where it is something else."""
    if not isinstance(argument, fx.Node) or argument.op != "get_attr":
        return None
    name = str(argument.target)
    return (
        name if name in dict(module.named_parameters(remove_duplicate=False)) else None
    )


def _node(argument: Any) -> fx.Node:
    assert isinstance(argument, fx.Node)
    return argument
