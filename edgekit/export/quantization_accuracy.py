"""Loss of a file against the same network in fp32, measured on its runtime here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit import tasks
from edgekit.data.metrics import named
from edgekit.data.predictions import logits, scores
from edgekit.errors import DataError
from edgekit.evaluate.parity import rms_error
from edgekit.evaluate.run import outputs_of, run_here, taken
from edgekit.program.feeds import Feeds, Given, feeds_of, rows, save
from edgekit.program.named_outputs import Reads
from edgekit.runtimes.float_ends import apart
from edgekit.types import Evaluation, IOFusion, RuntimeName, TaskSpec

_GLANCE = (16, 256)
"""The fewest and the most samples for a glance at a file."""
_GLANCE_VALUES = 1 << 18
"""Numbers of an output that a glance at a file takes: of a map of scores few samples have them."""
_GLANCE_INPUTS = 1 << 22
"""Most numbers of the inputs of a glance, unless that is too few samples: a sample of 224 x 224
pixels takes a runtime fifty times as long as one of 32 x 32, and each group of layers has a
glance."""

Array = npt.NDArray[Any]
Outputs = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Validation:
    """Samples that judge a quantized file: never those that judge the build."""

    inputs: Given
    """(n, *shape) of each input, preprocessed."""
    targets: Array | None
    """(n, ...), as the task's metric takes them; `None` where nothing is labeled."""
    task: TaskSpec
    root: Path
    """The project's folder, where a metric of the user's lies."""
    allowed: float
    """Allowed loss of the metric: absolute for fractions, else relative to its value."""
    recover: bool = True
    """True where configurations other than the first are tried where that loses more."""
    folding: IOFusion = field(default_factory=IOFusion)
    """Steps of files besides the network."""
    reads: Reads = ()
    """Numbers of the outputs that the task reads."""

    def save(self, path: Path) -> None:
        """Write the samples as `.npz`."""
        known = {} if self.targets is None else {"targets": self.targets}
        save(path, self.feeds, **known)

    @property
    def feeds(self) -> Feeds:
        """The samples of each input."""
        return feeds_of(self.inputs)

    def __len__(self) -> int:
        return len(self.feeds[0])


class QuantizationAccuracy:
    """Compares files with the outputs of `fp32`; all take their inputs in the orders
    `layouts`."""

    def __init__(
        self,
        fp32: Path,
        runtime: RuntimeName,
        validation: Validation,
        layouts: Sequence[str | None] | None = None,
    ) -> None:
        self._layouts = layouts or [None] * len(validation.feeds)
        self._runtime = runtime
        self.validation = validation
        self._expected = self._outputs(fp32, len(validation))
        self._reference = self._measured(self._expected)
        self.metric = self._reference.metric if self._reference else "agreement"

    def accuracy_drop(self, path: Path) -> tuple[float, float]:
        """Fraction of the metric that `path` loses, and the relative error of its outputs."""
        outputs = self._outputs(path, len(self.validation))
        return self._drop(outputs), self._error(outputs)

    def error(self, path: Path, *, least: bool = False) -> float:
        """The relative error of the outputs for the first samples, as many as compare files; with
        `least`, the fewest that do."""
        count = min(_GLANCE[0], self._glance) if least else self._glance
        return self._error(self._outputs(path, count))

    @property
    def _glance(self) -> int:
        least, most = _GLANCE
        given = sum(math.prod(feed.shape[1:]) for feed in self.validation.feeds)
        taken = math.prod(self._expected.shape[1:])
        count = min(_GLANCE_VALUES // max(1, taken), _GLANCE_INPUTS // max(1, given))
        return min(max(least, count), most, len(self.validation))

    @property
    def units_apart(self) -> bool:
        """Return whether one output holds values in units too different for one scale."""
        if len(self.validation.reads) > 1:
            return False
        parts = tasks.of(self.validation.task).parts(self._expected)
        return apart(float(np.abs(part).max(initial=0.0)) for part in parts)

    def _error(self, outputs: Outputs) -> float:
        """The relative error for as many samples as there are, of the part that has most."""
        parts = tasks.of(self.validation.task).parts
        expected = parts(self._expected[: len(outputs)])
        pairs = zip(parts(outputs), expected, strict=True)
        return max(rms_error(*pair) for pair in pairs)

    def _drop(self, outputs: Outputs) -> float:
        found = self._measured(outputs) if self._reference else None
        if found is not None and self._reference is not None:
            relative = not self._reference.is_fraction
            return self._reference.drop(found, relative=relative)
        agreed = tasks.of(self.validation.task).agree(outputs, self._expected)
        if agreed.higher_is_better:
            return float(1 - agreed.exact)
        return agreed.value / max(float(np.abs(self._expected).mean()), 1e-12)

    def _measured(self, outputs: Outputs) -> Evaluation | None:
        """By the task's own metric, where the samples are labeled for it."""
        targets = self.validation.targets
        if targets is None:
            return None
        values = logits(outputs, self.validation.folding)
        try:
            return named(self.validation.task, self.validation.root)(values, targets)
        except DataError:
            return None

    def _outputs(self, path: Path, count: int) -> Outputs:
        """The output of the file that the task reads (n, *output shape), one sample at a time."""
        samples = rows(self.validation.feeds, slice(count))
        found = run_here(path, self._runtime, samples, self._layouts)
        read = (taken(outputs_of([one]), self.validation.reads) for one in found)
        first = next(read)
        # Filled as they come: a list to join would hold all outputs twice.
        outputs = np.empty((count, *first.shape[1:]), first.dtype)
        outputs[0] = first[0]
        for number, one in enumerate(read, start=1):
            outputs[number] = one[0]
        return scores(outputs, self.validation.folding)
