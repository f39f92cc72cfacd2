"""Evaluate a network on samples with targets."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from edgekit.data.dataset import Dataset
from edgekit.data.memory import at_once
from edgekit.data.read_ahead import read_ahead
from edgekit.program.memory_layout import channels_last
from edgekit.program.program import Program
from edgekit.tasks.scores import Metric, accuracy
from edgekit.types import Evaluation


def evaluate(
    program: Program, dataset: Dataset, batch: int = 256, metric: Metric = accuracy
) -> Evaluation:
    """The metric of the network's outputs on the labeled samples of `dataset`."""
    return metric(predict(program, dataset, batch), dataset.targets)


def predict(
    program: Program, dataset: Dataset, batch: int = 256
) -> NDArray[np.float32]:
    """The output that the task reads, (n, ...), in the order of the samples."""
    count, batch = len(dataset), at_once(dataset.sample_bytes, batch)
    parts = np.array_split(np.arange(count), max(1, -(-count // batch)))
    with torch.inference_mode():
        outputs = [
            program.answer(
                *channels_last(program.module.graph, program.tensors(feeds))
            ).numpy()
            for feeds, _ in read_ahead(dataset, parts)
        ]
    return np.concatenate(outputs)
