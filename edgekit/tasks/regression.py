"""Values of a sample."""

import math

from edgekit.tasks import TaskDefinition, losses, scores, targets

RECORD = TaskDefinition(
    targets=targets.TargetFormat(
        read=targets.values, unknown=math.nan, each_output=True
    ),
    losses=losses.TaskLosses(
        soft=lambda student, teacher, _: losses.regression(student, teacher),
        hard=losses.squared_error,
        known=losses.value_known,
    ),
    metrics={
        "mean-absolute-error": scores.mean_absolute_error,
        "mean-squared-error": scores.mean_squared_error,
        "r2": scores.r2,
        "pearson": scores.pearson,
    },
    shifts=False,
)
