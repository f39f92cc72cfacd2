"""What a residual block adds to its stream that the stream does not have already.

For each channel of `x + f(x)`, the squared correlation with `x` says how much of its variance the
stream explains alone, whatever scale and shift later layers learn to give it. Where that is
nearly all, the block can go (after Men et al., 2024, arXiv:2403.03853, who compare directions).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx

from edgekit.prune.graph import WidthGraph


def explained(
    graph: WidthGraph, batches: Sequence[tuple[Tensor, ...]]
) -> dict[str, float]:
    """Block id -> share of the variance of `x + f(x)` that `x` explains, from 0 to 1."""
    module = graph.program.module
    found: dict[str, list[float]] = {block.id: [] for block in graph.blocks}
    streams = {block.addition: block for block in graph.blocks}

    class Run(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Any:
            result = super().run_node(n)
            block = streams.get(n.name)
            if block is not None:
                (stream,) = (s for s in n.all_input_nodes if s.name != block.branch)
                found[block.id].append(_share(self.env[stream], result))
            return result

    with torch.no_grad():
        for inputs in batches if streams else ():
            Run(module).run(*inputs, enable_io_processing=False)
    return {name: sum(v) / len(v) for name, v in found.items() if v}


def _share(stream: Tensor, whole: Tensor) -> float:
    """Variance of `whole` that `stream` explains channel by channel, over all channels."""
    channel = 1 if whole.dim() in (2, 4, 5) else whole.dim() - 1
    x, y = (_centred(t.expand_as(whole), channel) for t in (stream, whole))
    variance = y.square().mean(1)
    product = (x * y).mean(1).square() / x.square().mean(1).clamp_min(1e-12)
    return float(product.sum() / variance.sum().clamp_min(1e-12))


def _centred(tensor: Tensor, channel: int) -> Tensor:
    rows = tensor.detach().float().transpose(0, channel).flatten(1)
    return rows - rows.mean(1, keepdim=True)
