"""The data set that every stage reads: preprocessed samples and what they are."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
import torch.utils.data

from edgekit.data.memory import at_once
from edgekit.data.preprocess import Array, Float, Tokens, preprocess
from edgekit.data.resized import resized
from edgekit.data.samples import Indices, Samples
from edgekit.data.stored_targets import HeldTargets, StoredTargets, wide
from edgekit.data.text_input import TextInput, Texts
from edgekit.errors import DataError
from edgekit.program.feeds import Feeds
from edgekit.tasks.targets import Targets
from edgekit.types import Preprocess
from edgekit.types.notes import Note

_PART = 64
"""Samples whose targets are looked at together."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Column:
    """The raw samples of one input, and how they become it."""

    samples: Samples
    preprocess: Preprocess = field(default_factory=Preprocess)
    dtype: np.dtype[Any] | None = None
    """Of tokens, which are left as they are."""
    name: str = "input"

    @property
    def tokens(self) -> bool:
        """Return whether the samples are whole numbers that stay as they are."""
        return self.dtype is not None and self.dtype.kind in "iu"

    @property
    def contract(self) -> Preprocess:
        """Preprocessing that an application applies to a raw sample."""
        return Preprocess(scale=1.0) if self.tokens else self.preprocess

    def read(self, indices: Indices) -> Float | Tokens:
        """The input (n, *shape) of these samples."""
        raw: Array = self.samples.raw(indices)
        return (
            raw.astype(self.dtype) if self.tokens else preprocess(raw, self.preprocess)
        )

    def unprepared(self) -> Column:
        """The same samples in float32: nothing taken off or scaled, and recordings as waves.

        Raises `DataError` for features without their recordings."""
        plain = replace(self.preprocess, scale=1.0, mean=(0.0,), std=(1.0,))
        audio = plain.audio
        if audio is None or audio.form == "wave":
            return replace(self, preprocess=plain)
        waves = getattr(self.samples, "waves", None)
        if waves is None:
            raise DataError(
                "[recipe.export] fold_preprocessing puts the features of recordings into files, "
                "and [data] holds features. Give recordings, or leave it out."
            )
        plain = replace(plain, audio=replace(audio, form="wave"))
        return replace(self, samples=waves, preprocess=plain)


class Dataset(torch.utils.data.Dataset[tuple[Any, Any]]):
    """Preprocessed samples with their targets: an array for each input of a network.

    `samples` is a column for each input, or the samples of the only one, of `preprocess` and
    `dtype`. `notes` hold findings about the source, such as a layout that was turned around.
    """

    def __init__(
        self,
        samples: Samples | Sequence[Column],
        targets: Targets | StoredTargets,
        *,
        labels: tuple[str, ...],
        preprocess: Preprocess | None = None,
        notes: tuple[Note, ...] = (),
        dtype: np.dtype[Any] | None = None,
    ) -> None:
        self.labels = labels
        self.boxed = False
        """True where targets are boxes (n, boxes, 5)."""
        self.columns: tuple[Column, ...] = (
            tuple(samples)
            if isinstance(samples, Sequence)
            else (
                Column(
                    samples=samples, preprocess=preprocess or Preprocess(), dtype=dtype
                ),
            )
        )
        self.notes = notes
        self._all_targets: StoredTargets = (
            HeldTargets(values=targets) if isinstance(targets, np.ndarray) else targets
        )
        self._all_groups: Array | None = None
        self._indices: Indices = np.arange(len(self.columns[0].samples))

    @property
    def targets(self) -> Targets:
        """The targets (n, ...) of all samples at once, int64 or float32."""
        return wide(self._all_targets.read(self._indices))

    @property
    def target_shape(self) -> tuple[int, ...]:
        """The shape of one sample's target."""
        return self._all_targets.shape[1:]

    def target_parts(self) -> Iterator[Targets]:
        """The targets of all samples, some at a time: masks may be read from files."""
        size = at_once(8 * math.prod(self.target_shape), _PART)
        for part in np.array_split(self._indices, max(1, -(-len(self) // size))):
            yield wide(self._all_targets.read(part))

    @property
    def targets_by_workers(self) -> bool:
        """Return whether reading targets takes so long that other processes should do it."""
        return self._all_targets.by_workers

    @property
    def labeled(self) -> bool:
        """Return whether anything is known of any sample."""
        return any(
            not np.isnan(part).all() if part.dtype.kind == "f" else (part >= 0).any()
            for part in self.target_parts()
        )

    @property
    def classed(self) -> bool:
        """Return whether targets are one class number a sample."""
        return not self.target_shape and self._all_targets.dtype.kind != "f"

    @property
    def mapped(self) -> bool:
        """Return whether targets are maps (height, width), or whole numbers in layers of such."""
        if self.boxed:
            return False
        layered = len(self.target_shape) == 3 and self._all_targets.dtype.kind != "f"
        return len(self.target_shape) == 2 or layered

    @property
    def groups(self) -> Array | None:
        """The name (n,) of each sample's group, such as its speaker; `None` without groups."""
        every = self._all_groups
        return None if every is None else every[self._indices]

    def grouped(self, names: Sequence[Any]) -> Dataset:
        """The same samples in groups, by a name for each."""
        other = copy.copy(self)
        given = np.array([str(name) for name in names])
        other._all_groups = np.empty(self._all_targets.shape[0], given.dtype)
        other._all_groups[self._indices] = given
        return other

    @property
    def text(self) -> TextInput | None:
        """Conversion of texts to the inputs; `None` for other samples."""
        held = (column.samples for column in self.columns)
        found = (each.table.how for each in held if isinstance(each, Texts))
        return next(found, None)

    @property
    def numbers(self) -> Indices:
        """Numbers (n,) of the samples among those of the columns."""
        return self._indices

    @property
    def sample_bytes(self) -> int:
        """Bytes of the inputs and the target of one sample."""
        feeds, targets = self.feeds(np.array([0]))
        return sum(each.nbytes for each in (*feeds, targets))

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """One sample and its target: a tensor, or of several inputs tensors by name."""
        feeds, y = self.feeds(np.array([range(len(self))[index]]))
        tensors = [torch.from_numpy(each[0]) for each in feeds]
        names = [column.name for column in self.columns]
        x = tensors[0] if len(tensors) == 1 else dict(zip(names, tensors, strict=True))
        return x, y[0] if y.ndim > 1 else y[0].item()

    def feeds(self, indices: Indices | None = None) -> tuple[Feeds, Targets]:
        """All samples, (n, *shape) for each input, and targets (n, ...), or those of
        `indices`."""
        chosen = self._indices if indices is None else self._indices[indices]
        targets = wide(self._all_targets.read(chosen))
        return tuple(column.read(chosen) for column in self.columns), targets

    def arrays(self, indices: Indices | None = None) -> tuple[Float | Tokens, Targets]:
        """As `feeds`, of a data set of one input: its array (n, *shape)."""
        (inputs,), targets = self.feeds(indices)
        return inputs, targets

    def unprepared(self, chosen: Sequence[bool] | None = None) -> Dataset:
        """The same samples as an application has them, in float32: nothing taken off or scaled.

        Of several inputs, those `chosen`."""
        other = copy.copy(self)
        pairs = zip(self.columns, chosen or (True,) * len(self.columns), strict=True)
        other.columns = tuple(x.unprepared() if raw else x for x, raw in pairs)
        return other

    def at_size(self, size: tuple[int, int]) -> Dataset:
        """The same images, of a data set of one input, at another (height, width)."""
        other = copy.copy(self)
        (column,) = self.columns
        samples = resized(column.samples, size, column.preprocess.resize)
        other.columns = (replace(column, samples=samples),)
        return other

    def answered(self, targets: Targets) -> Dataset:
        """The same samples with other targets (n, ...)."""
        count = self._all_targets.shape[0]
        every = np.zeros((count, *targets.shape[1:]), targets.dtype)
        every[self._indices] = targets
        return self._like(HeldTargets(values=every), self._indices)

    def subset(self, indices: Indices) -> Dataset:
        """The samples of these numbers, in this order."""
        return self._like(self._all_targets, self._indices[indices])

    def _like(self, targets: StoredTargets, indices: Indices) -> Dataset:
        other = copy.copy(self)
        other._all_targets, other._indices = targets, indices
        return other

    def fingerprint(self) -> str:
        """SHA-256 over samples, targets and preprocessing."""
        digest = hashlib.sha256()
        for column in self.columns:
            digest.update(column.samples.digest())
            how = {"name": column.name, **asdict(column.preprocess)}
            digest.update(json.dumps(how, sort_keys=True).encode())
        digest.update(json.dumps(self.labels).encode())
        digest.update(self._all_targets.digest(self._indices))
        digest.update(self._indices.tobytes())
        return digest.hexdigest()
