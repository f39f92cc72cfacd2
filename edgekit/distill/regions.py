"""Where a teacher sees things: boxes of its outputs, for losses that look there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from edgekit.distill.tasks import Task
from edgekit.errors import ProjectError
from edgekit.program.program import Program

_NONE = (1.0, 1.0, 0.0, 0.0)
"""A row after a sample's last box, which has no area."""
Regions = Callable[[Tensor], Tensor]
"""From outputs (batch, ...) to corners (batch, boxes, 4) as fractions of the image."""


def of_task(task: Task, network: Program) -> Regions:
    """Reads the boxes of a task's outputs; raises `ProjectError` where it names no decoder, and for
    a network without one image."""
    shapes = [spec.shape for spec in network.specs]
    given = task.spec.box_decoder
    if task.decode is None or given is None or len(shapes) != 1 or len(shapes[0]) != 3:
        raise ProjectError(
            "[recipe.distill] losses: 'focal-features' looks where a detector of images sees "
            "things. Name its [task] decoder, or leave the loss out."
        )
    decode, least = task.decode, given.confidence
    height, width = shapes[0][1:]
    size = np.array((width, height) * 2, np.float32)

    def found(outputs: Tensor) -> Tensor:
        each = [
            (one.boxes[one.scores >= least] / size).astype(np.float32)
            for one in decode(outputs.float().cpu().numpy())
        ]
        most = max(1, max(map(len, each), default=1))
        rows = np.tile(np.array(_NONE, np.float32), (len(each), most, 1))
        for row, boxes in zip(rows, each, strict=True):
            row[: len(boxes)] = boxes
        return torch.from_numpy(rows).to(outputs.device)

    return found
