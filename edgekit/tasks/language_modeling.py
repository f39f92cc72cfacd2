"""The next token at each token: targets are the inputs themselves, one token on."""

from edgekit.tasks import TaskDefinition, losses, scores, targets

RECORD = TaskDefinition(
    targets=targets.TargetFormat(
        read=targets.ClassMaps(each="token", dimensions=2, ignored=-100),
        from_inputs=targets.following,
    ),
    losses=losses.TOKENS,
    metrics={"perplexity": scores.perplexity, "accuracy": scores.token_accuracy},
    dimensions=3,
    output="logits, (batch, tokens, classes)",
    class_axis=-1,
    decisions="the tokens",
)
