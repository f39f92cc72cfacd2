"""Calibration sets: the one reader of `calibration/*.toml`, and how a set is drawn.

A set is drawn from real samples, never from noise: the ranges of activations that int8 is fitted
to are those of the network's own data.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.config import reader
from edgekit.config.resources import shipped
from edgekit.errors import DataError, UsageError
from edgekit.program.feeds import Feeds
from edgekit.suggestions import suggest
from edgekit.types import Calibration
from edgekit.types.data_notes import CalibrationRandom, CalibrationShort
from edgekit.types.notes import Note

POOL = 2000
"""Samples, drawn at random, that the most diverse are sought among."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The date of every entry of a saved set: the same set is the same file."""

_COMPRESSION = 1
"""zlib's fastest level: samples of 224 x 224 pixels come out no larger, seven times as fast."""

Features = Callable[[Feeds], np.ndarray]
"""A network's own features of samples: (n, *shape) of each input to (n, features)."""


@dataclass(frozen=True, kw_only=True)
class CalibrationSet:
    """Drawn samples, preprocessed, and where they came from."""

    feeds: Feeds
    """(n, *shape) of each input, float32."""
    names: tuple[str, ...]
    """Of the inputs' arrays in a file."""
    indices: tuple[int, ...]
    """Indices of the samples in the source."""
    sha256: str
    """Of the samples' shape and bytes."""
    notes: tuple[Note, ...] = ()
    """Deviations from the preset."""

    @property
    def samples(self) -> np.ndarray:
        """Those of the only input (n, *shape)."""
        (only,) = self.feeds
        return only

    def of(self, feeds: Feeds) -> CalibrationSet:
        """The same draw of samples that are prepared otherwise, (n, *shape) of each input."""
        return replace(self, feeds=feeds, sha256=_sha256(feeds))

    def save(self, path: Path) -> None:
        """Write an `.npz` of each input's samples (of the only one `samples`) and `indices`, byte
        for byte the same for the same set."""
        arrays = dict(zip(self.names, self.feeds, strict=True))
        arrays["indices"] = np.array(self.indices, np.int64)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, values in arrays.items():
                content = io.BytesIO()
                np.save(content, values, allow_pickle=False)
                entry = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, content.getvalue(), compresslevel=_COMPRESSION)


def load_preset(name: str, *, folders: Sequence[Path] = ()) -> Calibration:
    """The preset called `name`; `folders` are searched before EdgeKit's own presets."""
    paths = _paths(folders)
    if name not in paths:
        raise UsageError(
            f"No calibration preset '{name}'.{suggest(name, paths)} "
            f"Known: {', '.join(sorted(paths)) or 'none'}. "
            f"A preset of your own is a file calibration/{name}.toml."
        )
    return reader.read(paths[name], Calibration, UsageError, given={"name": name})


def known(folders: Sequence[Path] = ()) -> list[str]:
    """The names of all presets."""
    return sorted(_paths(folders))


def draw(
    preset: Calibration,
    inputs: Any,
    labels: np.ndarray | Sequence[int] | None = None,
    features: Features | None = None,
) -> CalibrationSet:
    """Draw from `inputs`: an array (n, *shape), or anything with a length whose items are
    samples or (sample, label) pairs, a sample of several inputs a mapping by name. Only the
    items drawn are read.

    `labels` are class numbers, -1 where unknown. Class-balanced takes the classes in turn until
    there are enough, each in a seeded order; without labels the draw is random. Diverse takes the
    sample whose `features` are farthest from all that were taken, again and again (k-center
    greedy: Sener and Savarese, 2018, arXiv:1708.00489).
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
    notes: list[Note] = []
    if preset.samples > count:
        notes.append(
            CalibrationShort(preset=preset.name, asked=preset.samples, samples=count)
        )
    classes = None
    if preset.strategy == "class-balanced":
        classes = _classes(labels)
        if classes is None:
            notes.append(CalibrationRandom())
    if preset.strategy == "diverse" and features is not None:
        indices = _diverse(preset, inputs, features)
    else:
        indices = _indices(preset, count, classes)
    drawn = [_sample(inputs, index) for index in indices]
    feeds = _stacked(drawn)
    if not all(np.isfinite(each).all() for each in feeds):
        raise DataError(
            "The calibration data holds values that are not finite after preprocessing; "
            "check [data.preprocess] in edgekit.toml."
        )
    return CalibrationSet(
        feeds=feeds,
        names=tuple(drawn[0]),
        indices=tuple(map(int, indices)),
        sha256=_sha256(feeds),
        notes=tuple(notes),
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


def _diverse(preset: Calibration, inputs: Any, features: Features) -> np.ndarray:
    """The first is the one nearest to the mean of all."""
    order = np.random.default_rng(preset.seed).permutation(len(inputs))
    pool = np.sort(order[:POOL])
    seen = [
        features(_stacked([_sample(inputs, index) for index in part]))
        for part in np.array_split(pool, max(1, len(pool) // 256))
    ]
    points = np.concatenate(seen).astype(np.float64)
    taken = [int(((points - points.mean(0)) ** 2).sum(1).argmin())]
    distance = ((points - points[taken[0]]) ** 2).sum(1)
    while len(taken) < min(preset.samples, len(pool)):
        distance[taken[-1]] = -1.0  # never twice, where all that is left is alike
        taken.append(int(distance.argmax()))
        distance = np.minimum(distance, ((points - points[taken[-1]]) ** 2).sum(1))
    return np.sort(pool[taken])


def _turns(classes: np.ndarray) -> np.ndarray:
    """Number of samples of its class before each sample: the turn in which it is taken."""
    turns = np.empty(len(classes), dtype=np.int64)
    for each in np.unique(classes):
        members = classes == each
        turns[members] = np.arange(members.sum())
    return turns


def _classes(labels: np.ndarray | Sequence[int] | None) -> np.ndarray | None:
    """Class numbers, or `None` where no sample has one."""
    classes = np.asarray([] if labels is None else labels)
    return classes if (classes >= 0).any() else None


def _sample(inputs: Any, index: int) -> dict[str, np.ndarray]:
    """The arrays of one sample by name; that of the only input is `samples`."""
    item = inputs[int(index)]
    if isinstance(item, tuple | list):
        item = item[0]
    named = item if isinstance(item, Mapping) else {"samples": item}
    return {
        name: np.ascontiguousarray(values, dtype=np.float32)
        for name, values in named.items()
    }


def _stacked(drawn: Sequence[Mapping[str, np.ndarray]]) -> Feeds:
    return tuple(np.stack([each[name] for each in drawn]) for name in drawn[0])


def _sha256(feeds: Feeds) -> str:
    digest = hashlib.sha256()
    for each in feeds:
        digest.update(str(each.shape).encode())
        digest.update(np.ascontiguousarray(each).tobytes())
    return digest.hexdigest()
