"""How good outputs are, by the task's metric, and how far two networks agree."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgekit.data.dataset import Targets
from edgekit.errors import DataError
from edgekit.types import Evaluation, TaskSpec

Outputs = NDArray[np.float32]


def measure(task: TaskSpec, outputs: Outputs, targets: Targets) -> Evaluation:
    """The task's metric over the labelled samples; raises `DataError` where there is none."""
    return accuracy(outputs, targets)


def agreement(task: TaskSpec, outputs: Outputs, others: Outputs) -> Evaluation:
    """How far two networks agree on the same samples, where no label says who is right."""
    same = outputs.argmax(1) == others.argmax(1)
    return Evaluation(
        metric="agreement", value=float(same.mean()), samples=len(outputs)
    )


def accuracy(outputs: Outputs, targets: Targets) -> Evaluation:
    """Share of samples whose largest output is their class; unlabelled samples do not count."""
    labelled = targets >= 0
    if not labelled.any():
        raise DataError(
            "The evaluation data have no labels, so accuracy cannot be computed. "
            "Point [data] test at labelled samples."
        )
    if targets.max() >= outputs.shape[1]:
        raise DataError(
            f"The data have class {targets.max()}, but the network has "
            f"{outputs.shape[1]} outputs. Check [model] source and [data]."
        )
    correct = outputs.argmax(1)[labelled] == targets[labelled]
    return Evaluation(
        metric="accuracy", value=float(correct.mean()), samples=int(labelled.sum())
    )
