"""One class a token."""

from edgekit.tasks import TaskDefinition, losses, scores, targets

RECORD = TaskDefinition(
    targets=targets.TargetFormat(
        read=targets.ClassMaps(each="token", dimensions=2, ignored=-100)
    ),
    losses=losses.TOKENS,
    metrics={"accuracy": scores.token_accuracy, "f1": scores.token_f1},
    dimensions=3,
    output="logits, (batch, tokens, classes)",
    class_axis=-1,
    decisions="the tokens",
)
