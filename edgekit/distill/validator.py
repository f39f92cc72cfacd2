"""Choice of the epoch that is kept: the student on validation samples, by labels or by its
teacher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from edgekit import tasks
from edgekit.data import Dataset
from edgekit.data.memory import at_once
from edgekit.distill.batches import Batches, Inputs, on
from edgekit.distill.processes import Processes
from edgekit.distill.tasks import Task
from edgekit.types import Evaluation

BATCH = 256
Network = Callable[[Inputs], Tensor]
Outputs = np.ndarray[Any, Any]


class Validator:
    """The task's metric where there are labels, agreement with the teacher elsewhere."""

    def __init__(
        self,
        dataset: Dataset,
        task: Task,
        dtypes: Sequence[torch.dtype],
        processes: Processes,
    ) -> None:
        self._dataset, self._task, self._on = dataset, task, processes
        self._samples = Batches(dataset, dtypes)
        self._size = at_once(dataset.sample_bytes, BATCH)
        self._reference: Outputs | None = None
        self.metric = ""
        self.higher_is_better = self.is_fraction = True

    def set_teacher(self, teacher: Network) -> None:
        """Use the teacher's outputs as the reference where there are no labels."""
        if not self._dataset.labeled or self._task.metric is None:
            self._reference = self._outputs(teacher)

    def validate(self, student: Network) -> float:
        """The metric of `student` on the validation samples.

        Raises `ValueError` where there is neither a metric nor the teacher's outputs.
        """
        outputs = self._outputs(student)
        found: Evaluation
        if self._reference is not None:
            found = tasks.of(self._task.spec).agree(outputs, self._reference)
        elif self._task.metric is not None:
            found = self._task.metric(outputs, self._dataset.targets)
        else:
            raise ValueError("Without a metric, give the teacher first: set_teacher.")
        self.metric, self.higher_is_better = found.metric, found.higher_is_better
        self.is_fraction = found.is_fraction
        self._found = found
        return found.value

    def better(self, one: float, than: float) -> bool:
        """Return whether one validation is at least as good as another."""
        return one >= than if self.higher_is_better else one <= than

    def about_as_good(self, one: float, best: float) -> bool:
        """Return whether one validation is within a standard error of the best one, where the
        metric counts samples that are right; within nothing elsewhere."""
        by_sample = self._found.counted == self._found.samples
        error = replace(self._found, value=best).noise if by_sample else 0.0
        return self.better(one, best - error if self.higher_is_better else best + error)

    @torch.no_grad()
    def _outputs(self, network: Network) -> Outputs:
        """Outputs of all samples, each process running its part."""
        count = len(self._samples)
        mine = self._on.portion(torch.arange(count))
        parts = [
            network(on(self._on.device, batch.inputs)).float()
            for batch in self._samples.ordered(mine, self._size)
        ]
        outputs: Outputs = self._on.gather(torch.cat(parts), count).cpu().numpy()
        return outputs
