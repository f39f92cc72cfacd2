"""What is right of each sample, as each kind of task keeps it."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.data.dataset import Targets
from edgekit.data.preprocess import Array
from edgekit.data.request import MOST_CLASSES, Request
from edgekit.errors import DataError
from edgekit.types import TaskKind

Names = tuple[str, ...]

IGNORED = {
    "segmentation": 255,
    "token-classification": -100,
    "language-modeling": -100,
}
"""What stands for unknown in most data of a kind, beside -1."""
_EACH = {"segmentation": "pixel", "token-classification": "token"}
_CLASS_MAPS: frozenset[TaskKind] = frozenset(
    ("segmentation", "token-classification", "language-modeling")
)
_MOST_CLASSES = np.iinfo(np.int16).max


def read(
    values: Any, request: Request, origin: str, names: Names | None = None
) -> tuple[Targets, Names]:
    """Targets (n, ...) and the classes' names; `names` are the source's own.

    Classes of samples for classification, of pixels or tokens (n, ...) for segmentation and
    text; values for regression, embeddings and boxes. An embedding may come with classes instead,
    for retrieval. Raises `DataError` for anything else.
    """
    given = np.asarray(values)
    if request.kind == "classification" or (
        request.kind == "embedding" and given.ndim == 1 and given.dtype.kind != "f"
    ):
        return request.classes(given, origin, names)
    if request.kind in _CLASS_MAPS:
        return _class_maps(given, request, origin)
    return _values(given, origin), ()


def unknown(kind: TaskKind, count: int) -> Targets:
    """Targets of samples of which nothing is known."""
    if kind in ("regression", "detection"):
        return np.full(count, np.nan, np.float32)
    return np.full(count, -1, np.int64)


def following(tokens: Array) -> Targets:
    """For each token (n, length) the next one, which language models foretell."""
    targets = np.full(tokens.shape, -1, np.int64)
    targets[:, :-1] = tokens[:, 1:]
    return targets


def _class_maps(given: Array, request: Request, origin: str) -> tuple[Targets, Names]:
    each = _EACH.get(request.kind, "token")
    least = 3 if each == "pixel" else 2
    if given.dtype.kind not in "uib" or given.ndim < least:
        raise DataError(
            f"{origin} has targets of type {given.dtype} and shape {list(given.shape)}. "
            f"Give one class number for each {each}."
        )
    if each == "pixel" and given.ndim == 4 and given.shape[1] == 1:
        given = given[:, 0]
    if given.size and given.max() > MOST_CLASSES:
        raise DataError(
            f"{origin} has the target {given.max()}, which is no class number. Give whole "
            f"numbers from 0 up to {MOST_CLASSES:,}."
        )
    if given.size and given.min() < np.iinfo(np.int32).min:
        raise DataError(f"{origin} has the class {given.min()}. Give numbers from 0.")
    targets = np.where(given == IGNORED[request.kind], -1, given.astype(np.int32))
    if targets.min(initial=0) < -1:
        raise DataError(
            f"{origin} has the class {targets.min()}. Give numbers from 0, or -1 for unknown."
        )
    highest = int(targets.max(initial=-1))
    if each == "pixel" and highest == 0 and targets.min(initial=0) < 0:
        raise DataError(
            f"{origin} has the class 0 alone: {IGNORED['segmentation']} counts as unknown. Give "
            "the next class the number 1."
        )
    if request.labels and highest >= len(request.labels):
        raise DataError(
            f"{origin} has class {highest}, but the classes are 0 to "
            f"{len(request.labels) - 1}. Correct the labels, or [task] classes."
        )
    narrow = np.int16 if highest <= _MOST_CLASSES else np.int32
    return targets.astype(narrow), request.labels or ()


def _values(given: Array, origin: str) -> Targets:
    if given.dtype.kind not in "uifb":
        raise DataError(
            f"{origin} has targets of type {given.dtype}. Give numbers, NaN where unknown."
        )
    if np.isinf(given).any():
        raise DataError(f"{origin} has targets that are infinite.")
    return given.astype(np.float32)
