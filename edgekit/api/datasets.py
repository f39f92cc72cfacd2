"""Data of any origin: loaders, data sets, arrays, or paths as a project file has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edgekit import data as datasets
from edgekit.data import Dataset, calibration
from edgekit.data.request import Request, requested_input
from edgekit.data.sequence import Origin, read
from edgekit.data.splits import check_apart, in_groups
from edgekit.data.text_input import text_input
from edgekit.errors import DataError
from edgekit.program.program import Program
from edgekit.program.tokenizer import Tokenizer
from edgekit.types import (
    DEFAULT_TASK,
    DataSpec,
    InputSpec,
    Preprocess,
    TaskKind,
    TaskSpec,
    TextSpec,
)

Inputs = InputSpec | Sequence[InputSpec] | Program
"""The inputs of a network; a single one is its only input."""
_PARTS = ("train", "test", "validation", "calibration")


class Data:
    """Samples to train on, to evaluate by, to select an epoch by and to calibrate with.

    Each part is a torch `DataLoader` or `Dataset`, an iterable of batches, a pair of arrays or
    tensors (x, y), an array x without labels, or a path that `[data]` of a project takes (a folder
    of images, `.npz`, `.parquet`, `loader.py:function`). Batches are pairs (inputs, targets) or
    inputs alone: inputs are (batch, *input shape), targets (batch, ...) as the task has them, -1
    (or NaN, for values) where unknown. Of several inputs they are a mapping by the inputs' names,
    which may hold the targets as `labels` too, or a tuple in their order. A loader is read once,
    in the order that it gives; a `Dataset` too large for memory is read sample by sample.

    Nothing is read before a step needs it, and what is in memory is read once. Without
    `validation`, a fraction of `train` is split off; without `calibration`, samples are drawn from
    `train`.
    """

    def __init__(  # noqa: PLR0913
        self,
        *,
        train: Any = None,
        test: Any = None,
        validation: Any = None,
        calibration: Any = None,
        task: TaskKind | TaskSpec = DEFAULT_TASK,
        classes: Sequence[str] | None = None,
        preprocess: Preprocess | None = None,
        tokenizer: str | Path | None = None,
        group: str | None = None,
        columns: Sequence[str] = (),
        categories: Mapping[str, Sequence[str]] | None = None,
        frame_stride: int = DataSpec.frame_stride,
    ) -> None:
        """`task` is its kind, or a `TaskSpec` with what else `[task]` of a project holds; `classes`
        names the classes in the order of their numbers.

        `preprocess` goes from a stored sample to the network's input. By default samples in memory
        are inputs already, and those in files are divided by 255. `tokenizer` is that of texts, a
        folder with a `tokenizer.json`; by default the network's own. `group` names what keeps
        samples together where validation is split off, as `[data] group` of a project does, and
        `columns` are those of a table that are the input, with the texts of those of classes in
        `categories`, as `[data]` has them, and of videos one frame of `frame_stride` is a sample.
        Raises
        `DataError` where no part is given, and where parts in memory and in files leave the
        default open.
        """
        given = dict(zip(_PARTS, (train, test, validation, calibration), strict=True))
        self._parts = {name: part for name, part in given.items() if part is not None}
        if not self._parts:
            raise DataError("Data has no samples. Give train, test or calibration.")
        self.task = task if isinstance(task, TaskSpec) else TaskSpec(kind=task)
        if classes is not None:
            self.task = replace(self.task, classes=tuple(classes))
        self.preprocess = preprocess or self._default_preprocess()
        self.group, self.columns = group, tuple(columns)
        self.frame_stride = frame_stride
        given_categories = (categories or {}).items()
        self.categories = {name: tuple(texts) for name, texts in given_categories}
        self.text = TextSpec(tokenizer=None if tokenizer is None else str(tokenizer))
        self.held: Mapping[str, _Held] = {
            _place(name): _Held(held=part, name=f"Data({name}=...)")
            for name, part in self._parts.items()
            if not _is_path(part)
        }

    def __repr__(self) -> str:
        parts = (f"{name}={type(p).__name__}" for name, p in self._parts.items())
        return f"Data({', '.join(parts)}, task={self.task.kind!r})"

    @property
    def spec(self) -> DataSpec:
        """The parts as a project names them; without `test`, training samples in its place."""
        self.require("train")
        places: dict[str, Any] = {name: self._place_of(name) for name in self._parts}
        places.setdefault("test", places["train"])
        return DataSpec(
            **places,
            preprocess=self.preprocess,
            text=self.text,
            group=self.group,
            columns=self.columns,
            categories=self.categories,
            frame_stride=self.frame_stride,
        )

    def require(self, *names: str) -> None:
        """Raise `DataError` unless all parts of these names are given."""
        for name in names:
            if name not in self._parts:
                raise DataError(f"Data has no {name} samples. Give Data({name}=...).")

    def part(
        self, name: str, taken: Inputs, tokenizer: Tokenizer | None = None
    ) -> Dataset:
        """The samples of one part, as the inputs of a network that they are for.

        `tokenizer` is that of texts where the data name none and a network has none. Raises
        `DataError` where the part is not given, unreadable or of another shape.
        """
        self.require(name)
        labels = self.task.classes
        if labels is None and name != "train" and _is_path(self._parts.get("train")):
            labels = self.part("train", taken, tokenizer).labels or None
        own = taken.tokenizer if isinstance(taken, Program) else tokenizer
        specs = _specs(taken)
        inputs = tuple(
            requested_input(spec, len(specs), None, self.preprocess) for spec in specs
        )
        text = text_input(specs, self.text, own, Path.cwd())
        request = Request(
            inputs=inputs,
            labels=labels,
            kind=self.task.kind,
            text=text,
            group=self.group if name in ("train", "validation") else None,
            columns=self.columns,
            categories=tuple(self.categories.items()),
            frame_stride=self.frame_stride,
        )
        place = self._place_of(name)
        if place in self.held:
            return self.held[place].read(request)
        return datasets.read(place, root=Path.cwd(), request=request)

    def training(
        self, taken: Inputs, fraction: float, seed: int
    ) -> tuple[Dataset, Dataset]:
        """Samples to train on and to select by; the latter split off where they are not given."""
        train = self.part("train", taken)
        if "validation" not in self._parts:
            return datasets.split(train, fraction, seed)
        validation = self.part("validation", taken)
        check_apart(train, validation)
        return train, validation

    def pool(self, taken: Inputs) -> Dataset:
        """Source of calibration samples; never the test samples."""
        names = ("calibration", "train", "validation")
        found = next((name for name in names if name in self._parts), "calibration")
        return self.part(found, taken)

    def calibrated(
        self, taken: Inputs, preset: str = "default"
    ) -> calibration.CalibrationSet:
        """Samples (n, *input shape) drawn as a calibration preset has it."""
        chosen, pool = calibration.load_preset(preset), self.pool(taken)
        if not pool.classed and chosen.strategy == "class-balanced":
            chosen = replace(chosen, strategy="random")
        return calibration.draw(chosen, pool, pool.targets if pool.classed else None)

    def _place_of(self, name: str) -> str:
        part = self._parts[name]
        return str(part) if _is_path(part) else _place(name)

    def _default_preprocess(self) -> Preprocess:
        kinds = {_is_path(part) for part in self._parts.values()}
        if len(kinds) > 1:
            raise DataError(
                "Data has samples in memory and in files, and what is done to them before the "
                "network is not known. Give Data(preprocess=...)."
            )
        return Preprocess() if kinds == {True} else Preprocess(scale=1.0)


@dataclass(kw_only=True)
class _Held:
    """A part in memory, read once for each way that it is asked for."""

    held: Any
    name: str
    _read: dict[Request, Dataset] = field(default_factory=dict)

    def read(self, request: Request) -> Dataset:
        if request not in self._read:
            found = read(self.held, request, Origin(name=self.name))
            self._read[request] = in_groups(found, request.group, self.name)
        return self._read[request]


def _specs(taken: Inputs) -> tuple[InputSpec, ...]:
    if isinstance(taken, InputSpec):
        return (taken,)
    return taken.specs if isinstance(taken, Program) else tuple(taken)


def _place(name: str) -> str:
    """Name of a part in memory, in place of a project's path."""
    return f"<{name}>"


def _is_path(part: Any) -> bool:
    return isinstance(part, str | Path)


def as_data(held: Any) -> Data:
    """Data as it is, or anything that a part of it can be as samples to calibrate with."""
    return held if isinstance(held, Data) else Data(calibration=held)
