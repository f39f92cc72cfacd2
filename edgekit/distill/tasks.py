"""How networks of each kind of task are compared: with their teacher, and with labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from edgekit.distill.losses import outputs
from edgekit.types import TaskKind

Soft = Callable[[Tensor, Tensor, float], Tensor]
Hard = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Teaching:
    """`soft(student, teacher, temperature)` and `hard(student, targets)` to losses (batch,);
    `known(targets)` is 1 for a sample with a label and 0 for others, (batch,)."""

    soft: Soft
    hard: Hard
    known: Callable[[Tensor], Tensor]
    arrange: Callable[[Tensor], Tensor] = lambda output: output
    """Outputs with the classes in dimension 1, as losses on outputs take them."""


def _classes_last(output: Tensor) -> Tensor:
    return output.movedim(-1, 1) if output.ndim > 2 else output


def _any_class(targets: Tensor) -> Tensor:
    return (targets >= 0).flatten(1).any(1) if targets.ndim > 1 else targets >= 0


def _value_known(targets: Tensor) -> Tensor:
    return ~targets.isnan().flatten(1).any(1) if targets.ndim > 1 else ~targets.isnan()


def _squared(student: Tensor, targets: Tensor) -> Tensor:
    values = torch.nan_to_num(targets).reshape(student.shape).to(student.dtype)
    return outputs.regression(student, values)


def _none(student: Tensor, targets: Tensor) -> Tensor:
    return student.new_zeros(len(student))


def _unknown(targets: Tensor) -> Tensor:
    return torch.zeros(len(targets), dtype=torch.bool, device=targets.device)


_CLASSES = Teaching(soft=outputs.soft_targets, hard=outputs.labels, known=_any_class)
_TOKENS = Teaching(
    soft=outputs.soft_targets,
    hard=outputs.labels,
    known=_any_class,
    arrange=_classes_last,
)
TEACHINGS: Mapping[TaskKind, Teaching] = {
    "classification": _CLASSES,
    "segmentation": _CLASSES,
    "token-classification": _TOKENS,
    "language-modelling": _TOKENS,
    "regression": Teaching(
        soft=lambda s, t, _: outputs.regression(s, t), hard=_squared, known=_value_known
    ),
    "embedding": Teaching(
        soft=lambda s, t, _: outputs.regression(s, t) + outputs.angles(s, t),
        hard=_none,
        known=_unknown,
    ),
    "detection": Teaching(
        soft=lambda s, t, _: outputs.detections(s, t), hard=_none, known=_unknown
    ),
}
