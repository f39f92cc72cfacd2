"""One class a pixel."""

from dataclasses import replace

from edgekit.tasks import TaskDefinition, losses, scores, targets

_MAPS = targets.ClassMaps(each="pixel", dimensions=3, ignored=255, image=True)
RECORD = TaskDefinition(
    targets=targets.TargetFormat(
        read=_MAPS, read_one=replace(_MAPS, of_all=False), masks=True
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
    maps=lambda outputs: outputs.argmax(1),
)
