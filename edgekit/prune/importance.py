"""Importance of each unit of each group of coupled widths.

A criterion gives every weight a saliency; a unit's score is the sum over all weights that leave
with it, in every layer its group runs through (the coupled sum of Fang et al., 2023,
arXiv:2301.12900), divided by the mean of its group.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from edgekit.errors import DataError, UsageError
from edgekit.graph.graph import Group, Slot, WidthGraph
from edgekit.program.ends import in_logarithms
from edgekit.program.named_outputs import Reads, tensors
from edgekit.program.placement import OnDevice, best_device, placed
from edgekit.program.program import Program
from edgekit.prune.consumers import Consumer, consumers, moments
from edgekit.suggestions import suggest
from edgekit.types import ImportanceName

Inputs = Tensor | tuple[Tensor, ...]
Batch = tuple[Inputs, Tensor | None]
Loss = Callable[[object, Tensor | None], Tensor]
Score = npt.NDArray[np.float64]
Scores = dict[str, Score]
Indices = npt.NDArray[np.int64]
Saliency = Mapping[str, Tensor]

CRITERIA: tuple[str, ...] = get_args(ImportanceName)
WITHOUT_SAMPLES = ("l1", "l2", "batchnorm")
_CHUNK = 8
"""Samples per gradient. Gradients of a trained network cancel over many samples: the mean of
their size, not their mean, measures importance."""


def importance(
    graph: WidthGraph,
    criterion: str,
    *,
    batches: Sequence[Batch] = (),
    loss: Loss | None = None,
    normalize: bool = True,
    device: torch.device | None = None,
) -> Scores:
    """Group id -> score per unit, shape (units,), mean 1 in each group (unless not normalized).

    `l1`, `l2`       weight magnitude (Li et al., 2017, arXiv:1608.08710)
    `batchnorm`      size of batch norm's scale (Liu et al., 2017, arXiv:1708.06519); `l2` where a
                     group has none
    `taylor`         first-order change of the loss (Molchanov et al., 2019, arXiv:1906.10771)
    `fisher`         second-order change, curvature by the Fisher information (Theis et al., 2018,
                     arXiv:1801.05787)
    `activation`     weights times the size of what they read (Sun et al., 2024, arXiv:2306.11695)
    `reconstruction` output error of the layers that read the unit after the best correction by
                     the units that stay (Hassibi and Stork, 1993; Frantar and Alistarh, 2022,
                     arXiv:2208.11580)

    The last four read `batches` of (inputs, labels). Without labels the gradient criteria draw
    them from the network's own output distribution, which makes the Fisher information the true
    one (Kunstner et al., 2019, arXiv:1905.12558); `loss(outputs, labels)` replaces cross-entropy.
    Samples are taken on `device`, by default the accelerator where there is one.

    Raises `UsageError` for an unknown criterion and `DataError` where samples are missing.
    """
    _check(criterion, batches)
    on = device or best_device()
    if criterion in ("taylor", "fisher"):
        with placed(graph.program.module, on):
            scores = _by_gradient(graph, criterion, batches, loss, on)
    elif criterion in ("activation", "reconstruction"):
        with placed(graph.program.module, on):
            scores = _by_inputs(graph, criterion, batches, on)
    elif criterion == "batchnorm":
        scores = _by_scale(graph)
    else:
        scores = _by_magnitude(graph, 1 if criterion == "l1" else 2)
    return (
        {key: _unit_mean(score) for key, score in scores.items()}
        if normalize
        else scores
    )


def _check(criterion: str, batches: Sequence[Batch]) -> None:
    if criterion not in CRITERIA:
        hint = suggest(criterion, CRITERIA)
        raise UsageError(
            f"No importance criterion {criterion!r}.{hint} Known: {', '.join(CRITERIA)}."
        )
    if criterion not in WITHOUT_SAMPLES and not batches:
        raise DataError(
            f"Importance criterion {criterion!r} needs samples and got none. "
            f"Give it data, or choose one of {', '.join(WITHOUT_SAMPLES)}."
        )


# --- from weights to units --------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Sum:
    """From the weights' saliency to scores per unit, through all slots or those that are read.

    What zeroing a unit does is settled where it is read; the weights that make it restate that
    from the other side, shifted by their norm. A group that no layer reads directly, such as the
    dimensions of attention's queries, is summed over the weights that make it.
    """

    units: int
    slots: tuple[Slot, ...]
    pairs: tuple[tuple[Indices, Indices], ...]
    """For each slot, matching arrays of indices and units."""

    @classmethod
    def of(cls, group: Group, read: Collection[tuple[str, int]] = ()) -> _Sum:
        reading = tuple(s for s in group.slots if (s.parameter, s.dim) in read)
        slots = reading or group.slots
        return cls(units=group.units, slots=slots, pairs=tuple(map(_pairs, slots)))

    def __call__(self, saliency: Saliency) -> Score:
        total = np.zeros(self.units)
        for slot, (index, unit) in zip(self.slots, self.pairs, strict=True):
            weights = saliency.get(slot.parameter)
            if weights is None:
                continue
            others = [d for d in range(weights.dim()) if d != slot.dim]
            by_index = (
                (weights.sum(others) if others else weights).cpu().double().numpy()
            )
            np.add.at(total, unit, by_index[index])
        return total


def _pairs(slot: Slot) -> tuple[Indices, Indices]:
    pairs = [(i, unit) for i, units in enumerate(slot.units) for unit in units]
    table = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _unit_mean(score: Score) -> Score:
    """Divided by the mean; equal scores where all are zero."""
    mean = score.mean()
    return score / mean if mean > 0 else np.ones_like(score)


# --- criteria ---------------------------------------------------------------------------------


def _by_magnitude(graph: WidthGraph, power: int) -> Scores:
    """The norm of all weights that leave with a unit."""
    saliency = {
        name: weights.detach().abs() ** power
        for name, weights in _parameters(graph.program).items()
    }
    return {g.id: _Sum.of(g)(saliency) ** (1 / power) for g in graph.groups}


def _by_scale(graph: WidthGraph) -> Scores:
    parameters = _parameters(graph.program)
    scales = {
        name: parameters[name].detach().abs()
        for name in batch_norm_scales(graph.program)
    }
    if not scales:
        raise UsageError(
            "Importance criterion 'batchnorm' needs batch norm with a scale, and the network has "
            "none. Choose 'l2', or 'activation' where there are samples."
        )
    scores = _by_magnitude(graph, 2)
    for group in graph.groups:
        if any(slot.parameter in scales for slot in group.slots):
            scores[group.id] = _Sum.of(group)(scales)
    return scores


def batch_norm_scales(program: Program) -> list[str]:
    """Names of the scale parameters of all batch norms."""
    return [
        str(node.args[1].target)
        for node in program.module.graph.find_nodes(
            op="call_function", target=torch.ops.aten.batch_norm.default
        )
        if isinstance(node.args[1], torch.fx.Node) and node.args[1].op == "get_attr"
    ]


def _by_gradient(
    graph: WidthGraph,
    criterion: str,
    batches: Sequence[Batch],
    loss: Loss | None,
    device: torch.device,
) -> Scores:
    """Mean over chunks of samples of |sum of weight x gradient| (taylor) or its square (fisher)."""
    sums = _reading_sums(graph, consumers(graph.program))
    scores = {group.id: np.zeros(group.units) for group in graph.groups}
    chunks = 0
    for saliency in _weights_times_gradients(graph.program, batches, loss, device):
        chunks += 1
        for key, per_unit in sums.items():
            change = per_unit(saliency)
            scores[key] += np.abs(change) if criterion == "taylor" else change**2
    return {key: score / chunks for key, score in scores.items()}


def _reading_sums(graph: WidthGraph, found: Sequence[Consumer]) -> dict[str, _Sum]:
    read = {(consumer.parameter, consumer.dim) for consumer in found}
    return {group.id: _Sum.of(group, read) for group in graph.groups}


def _weights_times_gradients(
    program: Program, batches: Sequence[Batch], loss: Loss | None, device: torch.device
) -> Iterator[Saliency]:
    if loss is None:
        program = in_logarithms(program)
    names = _parameters(program)
    leaves = {id(p): p.detach().requires_grad_() for p in names.values()}
    weights = {name: leaves[id(p)] for name, p in names.items()}
    generator = torch.Generator().manual_seed(0)
    for inputs, labels in _chunks(batches, device):
        outputs = functional_call(program.module, weights, inputs)
        measure = loss or _default_loss(generator, program.reads)
        value = measure(outputs, labels)
        gradients = torch.autograd.grad(value, list(leaves.values()), allow_unused=True)
        products = {
            key: leaf.detach() * gradient
            for (key, leaf), gradient in zip(leaves.items(), gradients, strict=True)
            if gradient is not None
        }
        yield {name: products[id(p)] for name, p in names.items() if id(p) in products}


def _chunks(
    batches: Sequence[Batch], device: torch.device
) -> Iterator[tuple[tuple[Tensor, ...], Tensor | None]]:
    for inputs, labels in batches:
        tensors = _as_tuple(inputs)
        for start in range(0, len(tensors[0]), _CHUNK):
            part = slice(start, start + _CHUNK)
            yield (
                tuple(t[part].to(device) for t in tensors),
                None if labels is None else labels[part].to(device),
            )


def _default_loss(generator: torch.Generator, reads: Reads) -> Loss:
    """Cross-entropy with the labels of the output that the task `reads`, and with labels drawn
    from the network's own outputs elsewhere.

    Its soft outputs themselves would not do: against them its gradient is zero. Outputs that are
    not (batch, classes) are taken for the mean of a normal distribution and drawn from that.
    """

    def loss(outputs: object, labels: Tensor | None) -> Tensor:
        found = {n: t for n, t in enumerate(tensors(outputs)) if t.is_floating_point()}
        if labels is None:
            return torch.stack([_own(t, generator) for t in found.values()]).sum()
        labeled = reads or tuple(found)
        if len(labeled) != 1:
            raise DataError(
                f"The network has {len(found)} outputs, so labels alone define no loss. "
                "Pass loss=, or leave the labels out."
            )
        by_labels = F.cross_entropy(found.pop(labeled[0]), labels)
        return by_labels + sum(_own(t, generator) for t in found.values())

    return loss


def _own(output: Tensor, generator: torch.Generator) -> Tensor:
    if output.dim() == 2 and output.shape[1] > 1:
        chances = output.detach().softmax(1).cpu()
        drawn = torch.multinomial(chances, 1, generator=generator)
        return F.cross_entropy(output, drawn[:, 0].to(output.device))
    noise = torch.randn(output.shape, generator=generator).to(output.device)
    return F.mse_loss(output, output.detach() + noise, reduction="sum") / len(output)


def _by_inputs(
    graph: WidthGraph, criterion: str, batches: Sequence[Batch], device: torch.device
) -> Scores:
    """Weights scaled by what they read, summed over the layers that read the unit."""
    found = consumers(graph.program)
    full = criterion == "reconstruction"
    given = [_as_tuple(tensors) for tensors, _ in batches]
    inputs = OnDevice(batches=given, device=device)
    seen = moments(graph.program, found, inputs, cross=full)
    parameters = _parameters(graph.program)
    saliency: dict[str, Tensor] = {}
    for consumer in found:
        weights = parameters[consumer.parameter].detach()
        if full:
            value = consumer.lost(weights, seen[consumer])
        else:
            value = weights.abs() * consumer.spread(weights, seen[consumer].sqrt())
        known = saliency.get(consumer.parameter)
        saliency[consumer.parameter] = value if known is None else known + value
    sums = _reading_sums(graph, found)
    return {key: per_unit(saliency) for key, per_unit in sums.items()}


def _parameters(program: Program) -> dict[str, Tensor]:
    """Floating-point parameters by every name they go by: tied ones appear more than once."""
    return {
        name: parameter
        for name, parameter in program.module.named_parameters(remove_duplicate=False)
        if parameter.is_floating_point()
    }


def _as_tuple(tensors: Inputs) -> tuple[Tensor, ...]:
    return (tensors,) if isinstance(tensors, Tensor) else tuple(tensors)
