"""How good decisions are, on samples with known classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edgekit.data.dataset import Dataset, Targets
from edgekit.errors import DataError
from edgekit.source.program import Program
from edgekit.types import Evaluation


def evaluate(program: Program, dataset: Dataset, batch: int = 256) -> Evaluation:
    """Accuracy of the network's decisions (arg max) on the labelled samples of `dataset`."""
    return accuracy(predict(program, dataset, batch), dataset.targets)


def predict(
    program: Program, dataset: Dataset, batch: int = 256
) -> NDArray[np.float32]:
    """Outputs (n, classes) of the network, in the order of the samples."""
    outputs = []
    with torch.inference_mode():
        for numbers in np.array_split(
            np.arange(len(dataset)), max(1, -(-len(dataset) // batch))
        ):
            x, _ = dataset.arrays(numbers)
            outputs.append(program.module(torch.from_numpy(x)).numpy())
    return np.concatenate(outputs)


def accuracy(outputs: NDArray[Any], targets: Targets) -> Evaluation:
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
