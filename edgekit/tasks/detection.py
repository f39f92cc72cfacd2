"""Boxes and their classes: distilled from the teacher alone, and measured by mean average
precision where a decoder reads boxes of the outputs, else by a metric of the user's."""

import math
from dataclasses import replace

from edgekit.tasks import TaskDefinition, decoding, losses, scores, targets
from edgekit.tasks.losses import BoxForm, TaskLosses
from edgekit.tasks.mean_average_precision import metrics
from edgekit.tasks.scores import Outputs
from edgekit.types import TaskSpec


def _losses(form: BoxForm, *, channels_first: bool = False) -> TaskLosses:
    own = TaskLosses(
        soft=lambda student, teacher, _: losses.detections(student, teacher, form)
    )
    if not channels_first:
        return own

    return replace(own, arrange=lambda x: x.mT, restore=lambda x: x.mT)


def _parts(outputs: Outputs, form: BoxForm | None = None) -> tuple[Outputs, ...]:
    """Boxes (n, places, numbers), in pixels or any other unit, and scores (n, places, classes)."""
    at = (form or BoxForm()).numbers
    return outputs[..., :at], outputs[..., at:]


def _decoded(task: TaskSpec) -> TaskDefinition:
    """The task with the losses, parts and metrics of its decoder."""
    given = task.box_decoder
    if given is None or decoding.REFERENCE in given.head:
        return RECORD
    decoding.check(given)
    form, first = decoding.form(task), decoding.channels_first(task)

    def parts(outputs: Outputs) -> tuple[Outputs, ...]:
        return _parts(outputs.swapaxes(1, 2) if first else outputs, form)

    return replace(
        RECORD,
        losses=_losses(form, channels_first=first),
        box_losses=None,
        metrics=metrics(decoding.named(task)),
        parts=parts,
        agreement=lambda outputs, others: scores.least_explained(
            parts(outputs), parts(others)
        ),
    )


RECORD = TaskDefinition(
    targets=targets.TargetFormat(read=targets.values, unknown=math.nan, boxes=True),
    losses=_losses(BoxForm()),
    metrics={},
    located=True,
    box_losses=_losses,
    decoded=_decoded,
    box_metrics=metrics,
    parts=_parts,
    agreement=lambda outputs, others: scores.least_explained(
        _parts(outputs), _parts(others)
    ),
    shifts=False,
    # Data sets with boxes are small, and each sample has many places to learn from. In batches of
    # 64 the statistics of batch norm lagged behind the weights for an epoch and more.
    batch_size=16,
)
