"""Channels of a tensor brought to equal ranges before int8, the network's answers unchanged.

One scale serves all channels of an activation in int8, so that a channel a hundred times as wide as
the others leaves them no steps. Where a layer writes channels that only positively homogeneous
operators (rectifiers, pooling) part from the layers that read them, dividing a channel where it is
written and multiplying it where it is read changes nothing in float (Nagel et al., "Data-free
quantization through weight equalization", 2019, arXiv:1906.04721). Ranges are those that samples
show, balanced against the consumers' weights (Xiao et al., "SmoothQuant", 2023, arXiv:2211.10438).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, fx

from edgekit.program.feeds import Given, feeds_of
from edgekit.program.parameters import argument_name, serving_once
from edgekit.program.program import Program

aten = torch.ops.aten

_CONVOLUTIONS = (aten.conv1d.default, aten.conv2d.default, aten.conv3d.default)
_LAYERS = (*_CONVOLUTIONS, aten.linear.default)
_NORM = aten.batch_norm.default
_HOMOGENEOUS = (
    *(aten.relu.default, aten.relu_.default),
    *(aten.leaky_relu.default, aten.leaky_relu_.default),
    *(aten.max_pool1d.default, aten.max_pool2d.default),
    *(aten.avg_pool1d.default, aten.avg_pool2d.default),
    *(aten.adaptive_avg_pool1d.default, aten.adaptive_avg_pool2d.default),
    *(aten.dropout.default, aten.flatten.using_ints),
    *(aten.view.default, aten.reshape.default),
)
_WEIGHT, _BIAS = 1, 2
"""Where layers and batch norm take what their outputs grow with."""
_BATCH = 64
_LEAST = 1e-8


@dataclass(frozen=True, kw_only=True)
class _Span:
    """Channels from where they are written to where they are read."""

    writer: fx.Node
    consumers: tuple[fx.Node, ...]
    channels: int


def equalized(program: Program, samples: Given) -> Program | None:
    """The same network with its channels brought to equal ranges, or `None` where none can be.

    `samples` are (n, ...) of each input.
    """
    result = program.copy()
    parameters = {n: p.data for n, p in serving_once(result.module).items()}
    spans = list(_spans(result.module, parameters))
    if not spans:
        return None
    given = program.tensors(feeds_of(samples))
    ranges = _ranges(result.module, spans, given)
    with torch.no_grad():
        for span in spans:
            _balance(span, ranges[span.writer], parameters)
    return result


def _balance(span: _Span, widest: Tensor, parameters: Mapping[str, Tensor]) -> None:
    """Share each channel's range between what writes it and what reads it, in place."""
    full = [r for r in span.consumers if not _depthwise(r, span.channels)]
    scales = widest
    if full:  # a depthwise consumer has a scale of its own for each channel
        weights = [parameters[argument_name(consumer, _WEIGHT)] for consumer in full]
        sizes = [weight.abs().transpose(0, 1).flatten(1).amax(1) for weight in weights]
        read = torch.stack(sizes).amax(0).clamp_min(_LEAST)
        scales = (widest / read).sqrt()
    alive = widest > _LEAST
    typical = scales[alive].log().mean().exp()
    scales = torch.where(alive, scales / typical, torch.ones_like(scales))
    for position in (_WEIGHT, _BIAS):
        values = parameters.get(argument_name(span.writer, position))
        if values is not None:
            values /= scales.reshape(-1, *[1] * (values.dim() - 1))
    for consumer in span.consumers:
        weight = parameters[argument_name(consumer, _WEIGHT)]
        dim = 0 if _depthwise(consumer, span.channels) else 1
        shape = [1] * weight.dim()
        shape[dim] = -1
        weight *= scales.reshape(shape)


def _spans(module: fx.GraphModule, parameters: Mapping[str, Tensor]) -> Iterator[_Span]:
    for node in module.graph.nodes:
        if node.target not in (*_LAYERS, _NORM):
            continue
        weight = parameters.get(argument_name(node, _WEIGHT))
        bias_is_free = (
            _given(node, _BIAS) is None or argument_name(node, _BIAS) in parameters
        )
        if weight is None or not bias_is_free or _channels(node) != len(weight):
            continue
        consumers = _consumers(node, len(weight), parameters)
        if consumers:
            yield _Span(writer=node, consumers=consumers, channels=len(weight))


def _consumers(
    writer: fx.Node, channels: int, parameters: Mapping[str, Tensor]
) -> tuple[fx.Node, ...]:
    """The layers that read a layer's channels; none where anything else does too."""
    found: list[fx.Node] = []
    waiting = [(writer, user) for user in writer.users]
    while waiting:
        source, node = waiting.pop()
        if node.target in _LAYERS and node.args[0] is source:
            weight = parameters.get(argument_name(node, _WEIGHT))
            if weight is None or not _reads(node, weight, channels):
                return ()
            found.append(node)
        elif _homogeneous(node) and _channels(node) == channels:
            waiting += [(node, user) for user in node.users]
        else:
            return ()
    return tuple(dict.fromkeys(found))


def _reads(node: fx.Node, weight: Tensor, channels: int) -> bool:
    """Return whether a layer's weight has these channels along one of its dimensions."""
    if _depthwise(node, channels):
        return len(weight) == channels
    return _groups(node) == 1 and weight.shape[1] == channels


def _homogeneous(node: fx.Node) -> bool:
    """Return whether an operator of each channel alone gives twice as much for twice as much."""
    if node.target is aten.mean.dim:
        return all(dim not in (0, 1) for dim in cast(Sequence[int], node.args[1]))
    return node.target in _HOMOGENEOUS


def _channels(node: fx.Node) -> int | None:
    """The second dimension of what an operator makes, which a row-major reshape that leaves it
    and the batch as they are keeps; `None` where channels are not there."""
    value = node.meta.get("val")
    if not isinstance(value, Tensor) or value.dim() < 2:
        return None
    if node.target is aten.linear.default and value.dim() != 2:
        return None
    size = value.shape[1]
    return size if isinstance(size, int) else None


def _ranges(
    module: fx.GraphModule, spans: Sequence[_Span], samples: Sequence[Tensor]
) -> Mapping[fx.Node, Tensor]:
    """The largest magnitude of each channel where it is read, by its writer."""
    watch = _Watch(module, spans)
    with torch.no_grad():
        parts = (torch.split(each, _BATCH) for each in samples)
        for part in zip(*parts, strict=True):
            watch.run(*part)
    return watch.widest


class _Watch(fx.Interpreter):
    def __init__(self, module: fx.GraphModule, spans: Sequence[_Span]) -> None:
        super().__init__(module)
        self.widest: dict[fx.Node, Tensor] = {}
        self.writers: dict[fx.Node, list[fx.Node]] = {}
        for span in spans:
            for source in {
                cast(fx.Node, consumer.args[0]) for consumer in span.consumers
            }:
                self.writers.setdefault(source, []).append(span.writer)

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        for writer in self.writers.get(n, ()):
            seen = value.abs().transpose(0, 1).flatten(1).amax(1).float()
            known = self.widest.get(writer, torch.zeros_like(seen))
            self.widest[writer] = torch.maximum(known, seen)
        return value


def _depthwise(node: fx.Node, channels: int) -> bool:
    return _groups(node) == channels > 1


def _groups(node: fx.Node) -> int:
    if node.target not in _CONVOLUTIONS:
        return 1
    return cast(int, node.args[6]) if len(node.args) > 6 else 1


def _given(node: fx.Node, position: int) -> Any:
    return node.args[position] if len(node.args) > position else None
