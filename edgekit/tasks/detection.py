"""Boxes and their classes: distilled from the teacher alone, and measured by a metric of the
user's."""

import math

from edgekit.tasks import TaskDefinition, losses, targets

RECORD = TaskDefinition(
    targets=targets.TargetFormat(read=targets.values, unknown=math.nan),
    losses=losses.TaskLosses(
        soft=lambda student, teacher, _: losses.detections(student, teacher)
    ),
    metrics={},
    located=True,
    shifts=False,
)
