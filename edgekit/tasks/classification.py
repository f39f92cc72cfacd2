"""One class a sample."""

from edgekit.tasks import TaskDefinition, losses, scores, targets

RECORD = TaskDefinition(
    targets=targets.TargetFormat(read=targets.classes, class_folders=True),
    losses=losses.CLASSES,
    metrics={
        "accuracy": scores.accuracy,
        "top-5-accuracy": scores.top_5_accuracy,
        "balanced-accuracy": scores.balanced_accuracy,
        "f1": scores.f1,
        "auroc": scores.area_under_roc,
    },
    dimensions=2,
    output="logits, (batch, classes)",
    class_axis=1,
)
