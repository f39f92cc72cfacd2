"""What a data set must look like, and the checks that every source shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.data.dataset import Dataset, Targets
from edgekit.data.preprocess import Array
from edgekit.data.samples import Samples
from edgekit.errors import DataError
from edgekit.types import InputSpec, Preprocess, TaskKind
from edgekit.types.notes import Note, SamplesTransposed

MOST_CLASSES = 1 << 20
"""The highest class number; a larger one is an identifier, a hash or a mistake."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """The network's input, how raw samples become one, and the class names where known."""

    input: InputSpec
    preprocess: Preprocess
    labels: tuple[str, ...] | None
    kind: TaskKind = "classification"

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
        wanted = self.input.shape
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
        if given == wanted:
            return values, ()
        if len(wanted) == 3 and given == (*wanted[1:], wanted[0]):
            note = SamplesTransposed(origin=origin, shape=given)
            return np.ascontiguousarray(values.transpose(0, 3, 1, 2)), (note,)
        if wanted[0] == 1 and given in (wanted[1:], (int(np.prod(wanted)),)):
            return values.reshape(-1, *wanted), ()
        raise DataError(
            f"{origin} has samples of shape {list(given)}, but [model] input says "
            f"{list(wanted)}. Correct the one or the other."
        )

    def classes(
        self, values: Any, origin: str, names: tuple[str, ...] | None = None
    ) -> tuple[Targets, tuple[str, ...]]:
        """Class numbers and names from integers or strings; `names` are the source's own."""
        given = np.asarray(values)
        if given.ndim == 2 and given.shape[1] == 1:
            given = given[:, 0]
        if given.ndim != 1:
            raise DataError(
                f"{origin} has labels of shape {list(given.shape)}. "
                "Give one class number a sample: (n,)."
            )
        if given.dtype.kind == "O" and not all(isinstance(v, str) for v in given):
            odd = next(type(v).__name__ for v in given if not isinstance(v, str))
            raise DataError(
                f"{origin} has labels that are objects ({odd}). Give class numbers or names."
            )
        if given.dtype.kind in "USO":
            found = sorted({str(value) for value in given})
            labels = self.agree(tuple(found), origin)
            numbers = {label: number for number, label in enumerate(labels)}
            return np.array([numbers[str(v)] for v in given], np.int64), labels
        targets = _integers(given, origin)
        known = self.labels or names
        if names and self.labels:
            known = self.agree(names, origin)
        highest = int(targets.max(initial=-1))
        if known and highest >= len(known):
            raise DataError(
                f"{origin} has class {highest}, but the classes are 0 to {len(known) - 1}. "
                "Correct the labels."
            )
        return targets, known or tuple(str(number) for number in range(highest + 1))

    def agree(self, found: tuple[str, ...], origin: str) -> tuple[str, ...]:
        """The class names to use; raises where `found` are not those of the training data."""
        if self.labels is None or set(found) == set(self.labels):
            return self.labels or found
        extra = sorted(set(found) - set(self.labels))
        lacking = sorted(set(self.labels) - set(found))
        parts = [
            f"{word} {', '.join(names[:5])}{', ...' * (len(names) > 5)}"
            for word, names in (("it adds", extra), ("it lacks", lacking))
            if names
        ]
        raise DataError(
            f"The classes of {origin} are not those of the training data: "
            f"{'; '.join(parts)}. Use the same classes in both."
        )


def _integers(given: Array, origin: str) -> Targets:
    if given.dtype.kind not in "uifb" or not np.isfinite(given).all():
        raise DataError(f"{origin} has labels that are not class numbers.")
    if given.size and given.max() > MOST_CLASSES:
        raise DataError(
            f"{origin} has the label {given.max()}, which is no class number. Give whole numbers "
            f"from 0 up to {MOST_CLASSES:,}, or -1 for unknown."
        )
    targets = given.astype(np.int64)
    if (targets != given).any() or targets.min(initial=0) < -1:
        raise DataError(
            f"{origin} has labels that are not class numbers, such as "
            f"{given[(targets != given) | (targets < -1)][0]}. "
            "Give whole numbers from 0, or -1 for unknown."
        )
    return targets
