"""Outputs, features of some layers and attention of a network while it runs.

The layers are nodes of the program's graph. A second graph over the same parameters hands them
out beside the output, so that looking costs nothing but their memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from edgekit.program.memory_layout import channels_last
from edgekit.program.modes import follows, set_training
from edgekit.program.named_outputs import Reads, numbered, read, tensors

aten = torch.ops.aten


@dataclass(frozen=True, kw_only=True)
class ModelOutputs:
    """One network on one batch. `projected` are its `features` in the other's widths."""

    output: Tensor
    """The output that the task reads."""
    others: tuple[Tensor, ...] = ()
    """Outputs that it does not read, as far as both networks have them."""
    features: tuple[Tensor, ...] = ()
    projected: tuple[Tensor, ...] = ()
    attentions: tuple[tuple[Tensor, Tensor, Tensor], ...] = ()
    regions: Tensor | None = None
    """Corners (batch, boxes, 4) of what a detector sees, as fractions of the image."""

    @property
    def embedding(self) -> Tensor:
        """The last layer, averaged over its places: (batch, width)."""
        last = self.features[-1]
        if last.ndim == 4:
            return last.mean((2, 3))
        return last.mean(1) if last.ndim == 3 else last


class Projection(nn.Module):
    """A learned linear map of channels, dimension 1 of maps, the last of token features."""

    def __init__(self, before: int, after: int, rank: int) -> None:
        super().__init__()
        self.rank = rank
        self.map = nn.Linear(before, after, bias=False)
        nn.init.orthogonal_(self.map.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Project (n, channels, height, width) or (n, ..., channels) to the teacher's
        channels."""
        if self.rank == 4:
            projected: Tensor = self.map(x.movedim(1, -1)).movedim(-1, 1)
            return projected
        mapped: Tensor = self.map(x)
        return mapped


class FeatureExtractor(nn.Module):
    """A network that hands out its `layers` and `attentions` (node names) with what the task
    `reads` of its outputs, and with the `others` by their numbers."""

    def __init__(
        self,
        module: fx.GraphModule,
        layers: Sequence[str] = (),
        attentions: Sequence[str] = (),
        projections: Sequence[nn.Module] = (),
        *,
        reads: Reads = (),
        others: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self._reads, self._others = reads, tuple(others)
        self.network = with_feature_outputs(module, layers, attentions)
        self.projections = nn.ModuleList(projections)

    def forward(self, *inputs: Tensor) -> tuple[Any, ...]:
        """The fields of `ModelOutputs`, in order."""
        laid_out = channels_last(self.network.graph, inputs)
        given, layers, attentions = self.network(*laid_out)
        found = tensors(given)
        output = read(found, self._reads, numbered(len(found)))
        others = tuple(found[number] for number in self._others)
        projected = [
            project(layer)
            for project, layer in zip(self.projections, layers, strict=False)
        ]
        return output, others, tuple(layers), tuple(projected), tuple(attentions)

    def training_mode(self, training: bool) -> None:
        """Switch batch norm, dropout and recurrent cells inside the graph."""
        set_training(self.network, training)


def view(fields: tuple[Any, ...]) -> ModelOutputs:
    """The fields that `with_feature_outputs` returns, by name."""
    output, others, features, projected, attentions = fields
    return ModelOutputs(
        output=output,
        others=others,
        features=features,
        projected=projected,
        attentions=attentions,
    )


def with_feature_outputs(
    module: fx.GraphModule, layers: Sequence[str], attentions: Sequence[str]
) -> fx.GraphModule:
    """A module over the same parameters that returns (output, layers, (query, key, value)s)."""
    graph = fx.Graph()
    values: dict[fx.Node, fx.Node] = {}
    copied = graph.graph_copy(module.graph, values)
    outputs = copied if isinstance(copied, tuple | list) else (copied,)
    named = {node.name: values[node] for node in module.graph.nodes if node in values}
    taken = [tuple(named[name].args[:3]) for name in attentions]
    graph.output(
        (
            outputs[0] if len(outputs) == 1 else tuple(outputs),
            tuple(named[name] for name in layers),
            tuple(taken),
        )
    )
    for node in graph.find_nodes(op="call_function", target=aten.view.default):
        node.target = aten.reshape.default  # a view needs the layout that was traced
    return fx.GraphModule(module, graph)


def synced_batch_norm(  # noqa: PLR0913 (the operator's own arguments)
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Tensor:
    """`aten.batch_norm` with the statistics of the batches of all processes together."""
    if not training:
        normalized: Tensor = aten.batch_norm(
            x, weight, bias, mean, variance, False, momentum, eps, cudnn_enabled
        )
        return normalized
    others = [dim for dim in range(x.ndim) if dim != 1]
    shape = (1, -1, *[1] * (x.ndim - 2))
    size = x.new_full((1,), x.numel() / x.shape[1])
    sums = _everywhere(torch.cat([x.sum(others), size]))
    count = sums[-1].detach()
    center = sums[:-1] / count
    apart = x - center.view(shape)
    spread = _everywhere(apart.square().sum(others)) / count
    with torch.no_grad():
        mean.lerp_(center, momentum)
        variance.lerp_(spread * count / (count - 1), momentum)
    scale = torch.rsqrt(spread + eps)
    scale = scale if weight is None else scale * weight
    result = apart * scale.view(shape)
    shifted: Tensor = result if bias is None else result + bias.view(shape)
    return shifted


class _Sum(torch.autograd.Function):
    """A sum over all processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        torch.distributed.all_reduce(total)
        return total


def _everywhere(x: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(x)  # type: ignore[no-untyped-call]
    return total


def sync_batch_norm(module: fx.GraphModule) -> None:
    """Let every batch norm of a module normalize by all processes' samples, in place."""
    for node in module.graph.find_nodes(
        op="call_function", target=aten.batch_norm.default
    ):
        if follows(node):
            node.target = synced_batch_norm
    module.recompile()
