"""The required form of a data set, and the checks that every source shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit import tasks
from edgekit.data.dataset import Dataset
from edgekit.data.preprocess import Array
from edgekit.data.samples import Samples
from edgekit.errors import DataError
from edgekit.tasks.targets import TargetFormat, Targets
from edgekit.types import DEFAULT_TASK, InputSpec, Preprocess, TaskKind
from edgekit.types.notes import Note, SamplesTransposed


@dataclass(frozen=True, kw_only=True)
class Request:
    """The network's input, how raw samples become one, and the class names where known."""

    input: InputSpec
    preprocess: Preprocess
    labels: tuple[str, ...] | None
    kind: TaskKind = DEFAULT_TASK

    @property
    def format(self) -> TargetFormat:
        """The form of targets of the kind of task; raises `UsageError` for an unknown kind."""
        return tasks.of(self.kind).targets

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """Of the network's input, where that is tokens."""
        named = self.input.dtype
        return None if named in (None, "float32") else np.dtype(named)

    def dataset(
        self,
        samples: Samples,
        targets: Targets,
        labels: tuple[str, ...],
        notes: tuple[Note, ...] = (),
    ) -> Dataset:
        """A data set of these samples and targets, with the request's preprocessing."""
        return Dataset(
            samples,
            targets,
            labels=labels,
            preprocess=self.preprocess,
            notes=notes,
            dtype=self.dtype,
        )

    def arrange(self, values: Array, origin: str) -> tuple[Array, tuple[Note, ...]]:
        """`values` as (n, *input shape), and a note where they had to be turned around."""
        expected = self.input.shape
        given = values.shape[1:]
        if values.dtype.kind not in "uifb":
            raise DataError(
                f"{origin} holds values of type {values.dtype}, not numbers. "
                "Store integers or floats."
            )
        if self.dtype is not None and (
            values.dtype.kind not in "ui" or values.min(initial=0) < 0
        ):
            raise DataError(
                f"{origin} holds values of type {values.dtype}, some below 0 or no whole "
                "numbers, and the network takes tokens. Store their numbers, from 0."
            )
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            sample = int(np.argwhere(~np.isfinite(values))[0][0])
            raise DataError(
                f"{origin} has NaN or infinite values, first in sample {sample}. Replace them."
            )
        if given == expected:
            return values, ()
        if len(expected) == 3 and given == (*expected[1:], expected[0]):
            note = SamplesTransposed(origin=origin, shape=given)
            return np.ascontiguousarray(values.transpose(0, 3, 1, 2)), (note,)
        if expected[0] == 1 and given in (expected[1:], (int(np.prod(expected)),)):
            return values.reshape(-1, *expected), ()
        raise DataError(
            f"{origin} has samples of shape {list(given)}, but [model] input is "
            f"{list(expected)}. Correct the one or the other."
        )

    def targets(
        self, values: Any, origin: str, names: tuple[str, ...] | None = None
    ) -> tuple[Targets, tuple[str, ...]]:
        """Targets (n, ...) and the classes' names; `names` are the source's own.

        Raises `DataError` for values that are not targets of the kind of task.
        """
        given = np.asarray(values)
        return self.format.read(given, origin=origin, labels=self.labels, names=names)

    def unlabeled(
        self, samples: Samples, count: int, notes: tuple[Note, ...] = ()
    ) -> Dataset:
        """A data set of `count` samples of which nothing is known."""
        nothing = self.format.unlabeled(count)
        return self.dataset(samples, nothing, self.labels or (), notes)
