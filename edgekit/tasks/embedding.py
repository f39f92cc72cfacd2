"""A vector a sample, near those of samples that are alike: distilled from the teacher alone."""

from edgekit.tasks import TaskDefinition, losses, scores, targets
from edgekit.tasks.targets import Array, Names, Targets


def _read(
    given: Array, *, origin: str, labels: Names | None, names: Names | None
) -> tuple[Targets, Names]:
    """Embeddings (n, size), or classes (n,) for retrieval; see `TargetReader`."""
    classed = given.ndim == 1 and given.dtype.kind != "f"
    read = targets.classes if classed else targets.values
    return read(given, origin=origin, labels=labels, names=names)


RECORD = TaskDefinition(
    targets=targets.TargetFormat(read=_read, class_folders=True),
    losses=losses.TaskLosses(
        soft=lambda student, teacher, _: (
            losses.regression(student, teacher) + losses.angles(student, teacher)
        )
    ),
    metrics={
        "cosine-similarity": scores.cosine_similarity,
        "retrieval-precision": scores.retrieval_precision,
        "recall-at-5": scores.recall_at(5),
        "recall-at-10": scores.recall_at(10),
    },
    own_metric=scores.embedded,
    dimensions=2,
    output="embeddings, (batch, size)",
    agreement=scores.cosine_similarity,
    answered_by_network=True,
)
