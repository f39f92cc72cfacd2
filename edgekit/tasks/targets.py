"""Form of the targets of a kind of task."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import DataError
from edgekit.tasks import numbered

Array = NDArray[Any]
Targets = NDArray[Any]
"""Whole numbers (n, ...), -1 where unknown: a class a sample, a pixel or a token; or float32
(n, ...), NaN where unknown: values, embeddings, boxes."""
Names = tuple[str, ...]
MOST_CLASSES = 1 << 20
"""The highest class number; a larger one is an identifier, a hash or a mistake."""
THINGS = 1000
"""Factor of the class in a map of things: `class * 1000 + number`, numbers from 1."""
NO_BOX = (0.0, 0.0, 0.0, 0.0, -1.0)
"""A row of boxes (n, boxes, 5) after a sample's last one."""
_NARROW = np.iinfo(np.int16).max


class TargetReader(Protocol):
    """From what data hold to targets (n, ...) and the classes' names.

    `labels` are the names that are known already, `names` the source's own; `origin` is the
    source in errors. Raises `DataError` for values that are not targets of the kind.
    """

    def __call__(
        self, given: Array, *, origin: str, labels: Names | None, names: Names | None
    ) -> tuple[Targets, Names]: ...


@dataclass(frozen=True, kw_only=True)
class TargetFormat:
    """Reading of targets, and the places where they may lie."""

    read: TargetReader
    read_one: TargetReader | None = None
    """The same of a single mask of many, with fewer checks; `None` is `read`."""
    unknown: float = -1
    """The target of a sample of which nothing is known; NaN for values."""
    class_folders: bool = False
    """True where a folder of images a class gives targets."""
    boxes: bool = False
    """True where images with annotations of boxes give targets."""
    masks: bool = False
    """True where a folder of masks beside the one of images does, or COCO's polygons and RLE."""
    things: bool = False
    """True where a map has the number of each thing beside its class, in layers where things
    overlap."""
    one_class: bool = False
    """True where a mask has the class 1 alone, whatever the thing is."""
    from_inputs: Callable[[Array], Targets] | None = None
    """Targets of inputs (n, ...), where the inputs themselves are the targets."""
    each_output: bool = False
    """True where there is one number for each number of the output."""

    def unlabeled(self, count: int) -> Targets:
        """Targets (count,) of samples of which nothing is known."""
        dtype = np.float32 if math.isnan(self.unknown) else np.int64
        return np.full(count, self.unknown, dtype)


def classes(
    given: Array, *, origin: str, labels: Names | None, names: Names | None
) -> tuple[Targets, Names]:
    """One class a sample (n,), from integers or strings; see `TargetReader`."""
    if given.ndim == 2 and given.shape[1] == 1:
        given = given[:, 0]
    if given.ndim != 1:
        raise DataError(
            f"{origin} has labels of shape {list(given.shape)}. "
            "Give one class number a sample: (n,)."
        )
    if given.dtype.kind == "O" and not all(isinstance(v, str) for v in given):
        odd = np.array([not isinstance(value, str) for value in given])
        kind = type(given[odd][0]).__name__
        raise DataError(
            f"{origin} has labels that are objects ({kind}){numbered.within(odd)}. Give class "
            "numbers or names."
        )
    if given.dtype.kind in "USO":
        agreed = agree(tuple(sorted({str(value) for value in given})), labels, origin)
        numbers = {label: number for number, label in enumerate(agreed)}
        return np.array([numbers[str(v)] for v in given], np.int64), agreed
    targets = _integers(given, origin)
    known = agree(names, labels, origin) if names and labels else labels or names
    highest = int(targets.max(initial=-1))
    if known and highest >= len(known):
        raise DataError(
            f"{origin} has class {highest}{numbered.within(targets >= len(known))}, but the "
            f"classes are 0 to {len(known) - 1}. Correct the labels."
        )
    return targets, known or tuple(str(number) for number in range(highest + 1))


def agree(found: Names, labels: Names | None, origin: str) -> Names:
    """The class names to use; raises `DataError` where `found` are not the known `labels`."""
    if labels is None or set(found) == set(labels):
        return labels or found
    extra = sorted(set(found) - set(labels))
    lacking = sorted(set(labels) - set(found))
    parts = [
        f"{word} {', '.join(some[:5])}{', ...' * (len(some) > 5)}"
        for word, some in (("it adds", extra), ("it lacks", lacking))
        if some
    ]
    raise DataError(
        f"The classes of {origin} are not those of the training data: "
        f"{'; '.join(parts)}. Use the same classes in both."
    )


def _integers(given: Array, origin: str) -> Targets:
    if given.dtype.kind not in "uifb":
        raise DataError(f"{origin} has labels that are not class numbers.")
    whole = np.isfinite(given) & (given <= MOST_CLASSES) & (given >= -1)
    whole &= given == np.where(whole, given, 0).astype(np.int64)
    if not whole.all():
        raise DataError(
            f"{origin} has labels that are not class numbers, such as {given[~whole][0]}"
            f"{numbered.within(~whole)}. Give whole numbers from 0 up to {MOST_CLASSES:,}, or -1 "
            "for unknown."
        )
    return given.astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class ClassMaps:
    """Reads a class for each part of a sample: (n, ...) of at least `dimensions` dimensions."""

    each: str
    """Name of a part, in errors."""
    dimensions: int
    ignored: int
    """Label of unknown values in most data of the kind, beside -1."""
    image: bool = False
    """True where parts are pixels: a dimension of one channel goes."""
    of_all: bool = True
    """True where a set of masks is read that holds the class 0 and `ignored` alone: those would be
    masks of two classes, which it cannot mean. One mask of a set may be such a one."""

    def __call__(
        self, given: Array, *, origin: str, labels: Names | None, names: Names | None
    ) -> tuple[Targets, Names]:
        """See `TargetReader`."""
        self._check(given, origin)
        if self.image and given.ndim == 4 and given.shape[1] == 1:
            given = given[:, 0]
        targets = np.where(given == self.ignored, -1, given.astype(np.int32))
        lowest, highest = (
            int(targets.min(initial=0)),
            int(targets.max(initial=-1)),
        )
        if lowest < -1:
            raise DataError(
                f"{origin} has the class {lowest}{numbered.within(targets < -1)}. Give numbers "
                "from 0, or -1 for unknown."
            )
        if self.image and self.of_all and self._two(given, highest):
            raise DataError(
                f"{origin} has the class 0 alone: {self.ignored} counts as unknown. Give "
                "the next class the number 1."
            )
        if labels and highest >= len(labels):
            raise DataError(
                f"{origin} has class {highest}{numbered.within(targets >= len(labels))}, but the "
                f"classes are 0 to {len(labels) - 1}. Correct the labels, or [task] classes."
            )
        narrow = np.int16 if highest <= _NARROW else np.int32
        return targets.astype(narrow), labels or ()

    def _two(self, given: Array, highest: int) -> bool:
        return highest == 0 and bool((given == self.ignored).any())

    def _check(self, given: Array, origin: str) -> None:
        if given.dtype.kind not in "uib" or given.ndim < self.dimensions:
            raise DataError(
                f"{origin} has targets of type {given.dtype} and shape {list(given.shape)}. "
                f"Give one class number for each {self.each}."
            )
        if given.size and given.max() > MOST_CLASSES:
            raise DataError(
                f"{origin} has the target {given.max()}, which is not a class number"
                f"{numbered.within(given > MOST_CLASSES)}. Give whole numbers from 0 up to "
                f"{MOST_CLASSES:,}."
            )
        if given.size and given.min() < np.iinfo(np.int32).min:
            raise DataError(
                f"{origin} has the class {given.min()}. Give numbers from 0."
            )


def values(
    given: Array, *, origin: str, labels: Names | None, names: Names | None
) -> tuple[Targets, Names]:
    """Values (n, ...), NaN where unknown; see `TargetReader`."""
    if given.dtype.kind not in "uifb":
        raise DataError(
            f"{origin} has targets of type {given.dtype}. Give numbers, NaN where unknown."
        )
    if np.isinf(given).any():
        raise DataError(
            f"{origin} has targets that are infinite{numbered.within(np.isinf(given))}. Give "
            "numbers, NaN where unknown."
        )
    return given.astype(np.float32), ()


def following(tokens: Array) -> Targets:
    """For each token (n, length) the next one, which language models foretell."""
    targets = np.full(tokens.shape, -1, np.int64)
    targets[:, :-1] = tokens[:, 1:]
    return targets
