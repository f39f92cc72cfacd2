"""The layout in memory of what a network is given on this machine."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, fx

aten = torch.ops.aten


def channels_last(graph: fx.Graph, inputs: Iterable[Tensor]) -> tuple[Tensor, ...]:
    """The same values, images laid out with their channels last where the network allows it.

    PyTorch's convolutions keep the layout of their input, and take about half as long with this
    one (MobileNetV2 at 224 x 224 pixels: 27 ms of processor time for 56).
    """
    if not _any_layout(graph):
        return tuple(inputs)
    return tuple(map(_channels_last, inputs))


def _any_layout(graph: fx.Graph) -> bool:
    """Return whether no operator reads a tensor by its place in memory."""
    return not any(
        graph.find_nodes(op="call_function", target=target)
        for target in (aten.as_strided.default, aten.view.dtype)
    )


def _channels_last(x: Tensor) -> Tensor:
    if x.ndim != 4 or not x.is_floating_point():
        return x
    return x.contiguous(memory_format=torch.channels_last)
