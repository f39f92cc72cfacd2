"""Boxes and their classes: distilled from the teacher alone, and measured by a metric of the
user's."""

import math

from edgekit.tasks import TaskDefinition, losses, scores, targets
from edgekit.tasks.losses import BOX, TaskLosses
from edgekit.tasks.scores import Outputs


def _losses(background: int | None = None, probabilities: bool = False) -> TaskLosses:
    return TaskLosses(
        soft=lambda student, teacher, _: losses.detections(
            student, teacher, background=background, probabilities=probabilities
        )
    )


def _parts(outputs: Outputs) -> tuple[Outputs, ...]:
    """Boxes (n, places, 4), in pixels or any other unit, and scores (n, places, classes)."""
    return outputs[..., :BOX], outputs[..., BOX:]


RECORD = TaskDefinition(
    targets=targets.TargetFormat(read=targets.values, unknown=math.nan, boxes=True),
    losses=_losses(),
    metrics={},
    box_losses=_losses,
    parts=_parts,
    agreement=lambda outputs, others: scores.least_explained(
        _parts(outputs), _parts(others)
    ),
    shifts=False,
)
