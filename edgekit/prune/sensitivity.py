"""Measure the change of the network's outputs where a group is cut or a block dropped.

Each group alone is cut to a half and to a quarter of its units, and each residual block alone is
dropped; the divergence from the whole network's answers is what that costs before any training.
Batch norm takes its statistics from the batch meanwhile: most of what a cut seems to break is
statistics that no longer fit, and a few batches mend it (Li et al., "EagleEye", 2020,
arXiv:2007.02491). Damages are taken to add up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor, fx
from torch.nn import functional as F

from edgekit.graph.blocks import Block
from edgekit.graph.graph import WidthGraph
from edgekit.graph.surgery import shrink_shared
from edgekit.program.ends import in_logarithms
from edgekit.program.named_outputs import tensors
from edgekit.program.placement import OnDevice, best_device, place, placed, room
from edgekit.program.program import Program, set_training
from edgekit.prune.objective import Importance, keep_best
from edgekit.prune.reuse import KEPT_BYTES, Inputs, Reuse
from edgekit.types import Plan, Sensitivity

_FRACTIONS = (0.5, 0.25)
_LEAST = 1e-5


def sensitivity(
    graph: WidthGraph,
    importance: Importance,
    batches: Sequence[Inputs],
    *,
    blocks: Sequence[Block] = (),
    on_progress: Callable[[int, int], None] | None = None,
    device: torch.device | None = None,
) -> Sensitivity:
    """Try every group's cuts, the most important units kept, and every block's removal.

    Takes `2 * groups + blocks` cuts and as many forward passes of the batches behind them, on
    `device`, by default the accelerator where there is one.
    """
    on = device or best_device()
    batches = OnDevice(batches=batches, device=on)
    whole = in_logarithms(graph.program).module
    with placed(whole, on):
        expected = [outputs_of(whole, inputs) for inputs in batches]
    uncut = place(_by_batch(shrink_shared(graph, Plan(kept={}))), on)
    reuse = Reuse(uncut, batches, room(KEPT_BYTES, on))
    # Changes by batch statistics alone are not attributed to a cut.
    unmoved = mean_divergence(reuse.outputs(uncut), expected)
    groups: dict[str, tuple[tuple[int, float], ...]] = {}
    dropped: dict[str, float] = {}
    trials = list(_trials(graph, importance, blocks))
    for number, (name, width, plan) in enumerate(trials):
        if on_progress:
            on_progress(number, len(trials))
        variant = place(_by_batch(shrink_shared(graph, plan)), on)
        found = mean_divergence(reuse.outputs(variant), expected)
        expected_loss_increase = max(_LEAST, found - unmoved)
        if width is None:
            dropped[name] = expected_loss_increase
        else:
            groups[name] = (*groups.get(name, ()), (width, expected_loss_increase))
    return Sensitivity(groups=groups, blocks=dropped)


def _trials(
    graph: WidthGraph, importance: Importance, blocks: Sequence[Block]
) -> Iterator[tuple[str, int | None, Plan]]:
    whole = {group.id: group.units for group in graph.groups}
    for group in graph.groups:
        widths = {max(1, round(group.units * fraction)) for fraction in _FRACTIONS}
        for width in sorted(widths - {group.units}, reverse=True):
            cut = keep_best(graph.groups, {**whole, group.id: width}, importance)
            yield group.id, width, cut
    for block in blocks:
        yield block.id, None, Plan(kept={}, dropped_blocks=(block.id,))


def _by_batch(program: Program) -> fx.GraphModule:
    """The network with the statistics of each batch in its batch norms."""
    module = in_logarithms(program).module
    set_training(module, True, only="aten::batch_norm")
    return module


def outputs_of(module: fx.GraphModule, inputs: Inputs) -> list[Tensor]:
    """The outputs of a network that are real numbers, without gradients."""
    with torch.no_grad():
        return _real(tensors(module(*inputs)))


def _real(found: Iterable[Tensor]) -> list[Tensor]:
    return [each.float() for each in found if each.is_floating_point()]


def mean_divergence(
    found: Iterable[Sequence[Tensor]], expected: Sequence[Sequence[Tensor]]
) -> float:
    """Mean distance over batches of the outputs `found` from those `expected`."""
    total = 0.0
    for outputs, originals in zip(found, expected, strict=True):
        total += sum(map(divergence, _real(outputs), originals))
    value = total / len(expected)
    return value if math.isfinite(value) else 1e3


def divergence(found: Tensor, desired: Tensor) -> float:
    """Kullback-Leibler divergence of class probabilities; else squared error over variance."""
    if desired.dim() == 2 and desired.shape[1] > 1:
        logits = F.log_softmax(found, 1), F.log_softmax(desired, 1)
        loss = F.kl_div(*logits, reduction="batchmean", log_target=True)
        # Rounding makes that of equal networks negative; NaN stays.
        return float(loss.clamp_min(0))
    spread = (desired - desired.mean()).square().sum().clamp_min(1e-12)
    return float((found - desired).square().sum() / spread)
