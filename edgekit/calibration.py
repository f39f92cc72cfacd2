"""Calibration sets: the one reader of `calibration/*.toml`, and how a set is drawn.

A set is drawn from real samples, never from noise: the ranges of activations that int8 is fitted
to are those of the network's own data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit import toml
from edgekit.errors import DataError, UsageError
from edgekit.shipped import shipped
from edgekit.types import Calibration


@dataclass(frozen=True, kw_only=True)
class CalibrationSet:
    """Drawn samples (n, *input shape) float32, preprocessed, and where they came from."""

    samples: np.ndarray
    indices: tuple[int, ...]
    """Which samples of the source these are."""
    sha256: str
    """Of the samples' shape and bytes."""
    note: str | None = None
    """What is not as the preset asked."""


def load_preset(name: str, *, folders: Sequence[Path] = ()) -> Calibration:
    """The preset called `name`; `folders` are searched before EdgeKit's own presets."""
    paths = _paths(folders)
    if name not in paths:
        raise UsageError(
            f"No calibration preset '{name}'.{toml.suggest(name, paths)} "
            f"Known: {', '.join(sorted(paths)) or 'none'}. "
            f"A preset of your own is a file calibration/{name}.toml."
        )
    return toml.read(paths[name], Calibration, UsageError, given={"name": name})


def known(folders: Sequence[Path] = ()) -> list[str]:
    """The names of all presets."""
    return sorted(_paths(folders))


def draw(
    preset: Calibration,
    inputs: Any,
    labels: np.ndarray | Sequence[int] | None = None,
) -> CalibrationSet:
    """Draw from `inputs`: an array (n, *shape), or anything with a length whose items are
    samples or (sample, label) pairs. Only the items drawn are read.

    `labels` are class numbers, -1 where unknown. Class-balanced takes the classes in turn until
    there are enough, each in a seeded order; without labels the draw is random.
    Raises `DataError` where there is nothing to draw from.
    """
    count = len(inputs)
    if not count:
        raise DataError(
            "The calibration data is empty; name data with at least one sample in [data] "
            "calibration of edgekit.toml, or leave that key out to use the training data."
        )
    if labels is not None and len(labels) != count:
        raise DataError(
            f"The calibration data has {count} samples but {len(labels)} labels."
        )
    notes = []
    if preset.samples > count:
        notes.append(
            f"preset '{preset.name}' asks for {preset.samples} samples; "
            f"there are {count}, all of which are used"
        )
    classes = None
    if preset.strategy == "class-balanced":
        classes = _classes(labels)
        if classes is None:
            notes.append("drawn at random: the calibration data has no labels")
    indices = _indices(preset, count, classes)
    samples = np.stack([_sample(inputs, index) for index in indices])
    if not np.isfinite(samples).all():
        raise DataError(
            "The calibration data holds values that are not finite after preprocessing; "
            "check [data.preprocess] in edgekit.toml."
        )
    return CalibrationSet(
        samples=samples,
        indices=tuple(map(int, indices)),
        sha256=_sha256(samples),
        note="; ".join(notes) or None,
    )


def _paths(folders: Sequence[Path]) -> dict[str, Path]:
    """Every preset by name; the first folder that has a name wins."""
    paths: dict[str, Path] = {}
    for folder in (*folders, shipped("calibration")):
        for path in sorted(folder.glob("*.toml")):
            paths.setdefault(path.stem, path)
    return paths


def _indices(preset: Calibration, count: int, classes: np.ndarray | None) -> np.ndarray:
    order = np.random.default_rng(preset.seed).permutation(count)
    if classes is not None:
        order = order[np.argsort(_turns(classes[order]), kind="stable")]
    return np.sort(order[: preset.samples])


def _turns(classes: np.ndarray) -> np.ndarray:
    """How many of its class come before each sample: the turn in which it is taken."""
    turns = np.empty(len(classes), dtype=np.int64)
    for each in np.unique(classes):
        members = classes == each
        turns[members] = np.arange(members.sum())
    return turns


def _classes(labels: np.ndarray | Sequence[int] | None) -> np.ndarray | None:
    """Class numbers, or `None` where no sample has one."""
    classes = np.asarray([] if labels is None else labels)
    return classes if (classes >= 0).any() else None


def _sample(inputs: Any, index: int) -> np.ndarray:
    item = inputs[int(index)]
    if isinstance(item, tuple | list):
        item = item[0]
    return np.ascontiguousarray(item, dtype=np.float32)


def _sha256(samples: np.ndarray) -> str:
    digest = hashlib.sha256(str(samples.shape).encode())
    digest.update(np.ascontiguousarray(samples).tobytes())
    return digest.hexdigest()
