"""One class a pixel."""

from edgekit.tasks import TaskDefinition, losses, scores, targets

RECORD = TaskDefinition(
    targets=targets.TargetFormat(
        read=targets.ClassMaps(each="pixel", dimensions=3, ignored=255, image=True),
        masks=True,
    ),
    losses=losses.CLASSES,
    metrics={
        "mean-iou": scores.mean_intersection_over_union,
        "pixel-accuracy": scores.pixel_accuracy,
        "dice": scores.dice,
    },
    dimensions=4,
    output="logits, (batch, classes, height, width)",
    class_axis=1,
    decisions="the pixels",
)
