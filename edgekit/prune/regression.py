"""A layer's weights by least squares: from what it reads and what it is to write.

Layers are convolutions and linear layers; a row is what one output position reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

DAMPING = 0.01
"""Of the inputs' mean square: keeps a fit to few samples from chasing noise."""
LEAST_ROWS, MOST_ROWS = 2, 128
"""Rows for each input: fewer are too few for a fit, more add nothing."""
_NO_CHANGE = 1e-6
_CHUNK_BYTES = 2**26


@dataclass(frozen=True, kw_only=True)
class Window:
    """Where a convolution looks, for each of its dimensions in space; empty for a product."""

    size: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    padding: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()

    def rows(self, inputs: Tensor) -> Tensor:
        """(positions, channels * taps) of inputs (samples, channels, ...), or of a product's
        (..., channels), in the order of a weight's dimensions."""
        if not self.size:
            return inputs.reshape(-1, inputs.shape[-1])
        if len(self.size) == 1:  # as an image one pixel high
            inputs = inputs.unsqueeze(2)
        both = [
            (neutral, *given)[-2:]
            for neutral, given in (
                (1, self.size),
                (1, self.dilation),
                (0, self.padding),
                (1, self.stride),
            )
        ]
        columns = F.unfold(inputs, *both)
        return columns.transpose(1, 2).reshape(-1, columns.shape[1])


def refit(
    weight: Tensor,
    window: Window,
    inputs: Tensor,
    target: Tensor,
    *,
    bias: Tensor | None,
    shifted: bool,
) -> tuple[Tensor, Tensor] | None:
    """What to add to a weight (outputs, ...) and to its bias so that they write `target`.

    `target` is (samples, outputs, ...) for a convolution, (..., outputs) for a product; without
    `shifted` nothing is added to the bias, where there may be none. The change is drawn towards
    none. `None` where there are too few rows, or nothing to mend.
    """
    flat = weight.flatten(1)
    width = flat.shape[1]
    positions = target.numel() // target.shape[1 if window.size else -1]
    if positions < LEAST_ROWS * width:
        return None
    step = (
        max(1, positions // (MOST_ROWS * width)) | 1
    )  # odd: sees every column in turn
    inputs_sum, missing_sum = flat.new_zeros(width), flat.new_zeros(len(flat))
    second, cross = flat.new_zeros(width, width), flat.new_zeros(width, len(flat))
    missing_square, target_square, count = 0.0, 0.0, 0
    for rows, desired in _chunks(window, inputs, target, width, step):
        missing = desired - F.linear(rows, flat, bias)
        second += rows.T @ rows
        cross += rows.T @ missing
        inputs_sum += rows.sum(0)
        missing_sum += missing.sum(0)
        missing_square += float(missing.square().sum())
        target_square += float(desired.square().sum())
        count += len(rows)
    if missing_square <= _NO_CHANGE * target_square:
        return None
    second, cross = second / count, cross / count
    mean, gap = inputs_sum / count, missing_sum / count
    if shifted:
        second -= torch.outer(mean, mean)
        cross -= torch.outer(mean, gap)
    change = solved(second, cross).T
    shift = gap - change @ mean if shifted else torch.zeros_like(gap)
    if not (torch.isfinite(change).all() and torch.isfinite(shift).all()):
        return None
    return change.reshape(weight.shape), shift


def solved(second: Tensor, cross: Tensor) -> Tensor:
    """The damped solution (inputs, outputs) for second moments and (inputs, outputs) products."""
    damping = DAMPING * second.diagonal().mean() + 1e-12
    damped = second + damping * torch.eye(len(second), device=second.device)
    solution: Tensor = torch.linalg.solve(damped, cross)
    return solution


def _chunks(
    window: Window, inputs: Tensor, target: Tensor, width: int, step: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows and what is wanted of them, every `step`-th, a part of the samples at a time."""
    last = target.movedim(1, -1) if window.size else target
    each = last[:1].numel() // last.shape[-1] * width * inputs.element_size()
    samples = max(1, _CHUNK_BYTES // max(1, each))
    for part, desired in zip(
        torch.split(inputs, samples), torch.split(last, samples), strict=True
    ):
        rows = window.rows(part)[::step]
        yield rows.float(), desired.reshape(-1, desired.shape[-1])[::step].float()


def mixing(
    whole: Tensor, left: Tensor, kept: Sequence[int], *, centered: bool
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """(inputs, inputs left): what each input is, beside itself, of those that are left; and the
    means (inputs,) and (inputs left,).

    From all inputs (samples, ..., inputs) and those that are left, (samples, ..., inputs left), by
    their distance from the means where they are `centered`. A part of the samples at a time: a
    copy of all in another order takes as much memory as the samples.
    """
    ends = range(whole.dim() - 1)
    means = whole.float().mean(tuple(ends)), left.float().mean(tuple(ends))
    inputs, remaining = whole.shape[-1], left.shape[-1]
    second = left.new_zeros(remaining, remaining, dtype=torch.float32)
    cross = left.new_zeros(inputs, remaining, dtype=torch.float32)
    samples = max(1, _CHUNK_BYTES // max(1, whole[:1].numel() * 4))
    for both in zip(
        torch.split(whole, samples), torch.split(left, samples), strict=True
    ):
        some, those = (part.reshape(-1, part.shape[-1]).float() for part in both)
        if centered:
            some, those = some - means[0], those - means[1]
        second += those.T @ those
        cross += some.T @ those
    count = left.numel() // remaining
    second, cross = second / count, cross / count
    cross[torch.tensor(kept, device=cross.device)] -= second
    return solved(second, cross.T).T, means
