"""Any number of classes a sample: each is there, or is not."""

from edgekit.tasks import TaskDefinition, independent, targets

RECORD = TaskDefinition(
    targets=targets.TargetFormat(read=independent.read, each_output=True),
    losses=independent.LOSSES,
    metrics={
        "mean-average-precision": independent.of_torchmetrics(
            "mean average precision", "multilabel_average_precision", each=True
        ),
        "f1": independent.of_torchmetrics("F1", "multilabel_f1_score", each=True),
        "area-under-roc": independent.of_torchmetrics(
            "area under the ROC curve", "multilabel_auroc", each=True
        ),
        "label-accuracy": independent.accuracy("label accuracy"),
    },
    dimensions=2,
    output="logits, (batch, labels)",
    link="sigmoid",
    agreement=independent.agreement,
)
