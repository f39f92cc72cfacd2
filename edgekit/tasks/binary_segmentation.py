"""A mask: each pixel belongs to the thing, or does not, by one logit a pixel."""

import numpy as np

from edgekit.errors import DataError
from edgekit.tasks import TaskDefinition, independent, numbered, targets
from edgekit.tasks.targets import Array, Names, Targets

_WHITE = 255


def _read(
    given: Array, *, origin: str, labels: Names | None, names: Names | None
) -> tuple[Targets, Names]:
    """0 or 1 a pixel, or the 0 and 255 of a black and white mask; see `TargetReader`."""
    if given.ndim == 4 and given.shape[1] == 1:
        given = given[:, 0]
    if given.dtype.kind in "ui" and (given == _WHITE).any():
        grays = ~np.isin(given, (0, _WHITE, independent.UNKNOWN))
        if grays.any():
            raise DataError(
                f"{origin} has masks with {given[grays].flat[0]} beside {_WHITE}"
                f"{numbered.within(grays)}. Give masks of 0 and 1, or of 0 and {_WHITE}."
            )
        given = np.where(given < 0, independent.UNKNOWN, given == _WHITE)
    return independent.read(given, origin=origin, labels=labels, names=names)


RECORD = TaskDefinition(
    targets=targets.TargetFormat(
        read=_read, masks=True, one_class=True, each_output=True
    ),
    losses=independent.LOSSES,
    metrics={
        "iou": independent.of_torchmetrics("IoU", "binary_jaccard_index"),
        "dice": independent.of_torchmetrics("dice", "binary_f1_score"),
        "pixel-accuracy": independent.accuracy("pixel accuracy"),
    },
    link="sigmoid",
    output="logits, (batch, 1, height, width)",
    agreement=independent.agreement,
    maps=lambda outputs: independent.decided(
        outputs.reshape(len(outputs), *outputs.shape[-2:])
    ).astype(np.int64),
)
