"""The required form of a data set, and the checks that every source shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from PIL import Image

from edgekit import tasks
from edgekit.agent.serving import sound
from edgekit.agent.serving.decode import pixels
from edgekit.data import preprocess
from edgekit.data.dataset import Column, Dataset
from edgekit.data.preprocess import Array
from edgekit.data.samples import Samples, as_numpy
from edgekit.data.stored_targets import StoredTargets
from edgekit.data.text_input import TextInput
from edgekit.errors import DataError
from edgekit.program.feeds import Feeds
from edgekit.program.program import Program
from edgekit.tasks import numbered
from edgekit.tasks.targets import NO_BOX, TargetFormat, Targets
from edgekit.types import (
    DEFAULT_TASK,
    DataSpec,
    InputSpec,
    ModelSpec,
    Preprocess,
    TaskKind,
)
from edgekit.types.data_notes import SamplesTransposed
from edgekit.types.notes import Note

INPUTS = ("x", "images", "inputs", "image", "img")
"""Names of the samples where the network has one input, beside its own."""
TARGETS = ("y", "labels", "targets", "masks", "label", "target", "fine_label")
NO_TOKENIZER = (
    "A tokenizer makes numbers of texts: name it, [data.text] tokenizer = 'FOLDER' in "
    "edgekit.toml or Data(tokenizer='FOLDER'), one with a tokenizer.json."
)
"""The fix where texts are read without."""


@dataclass(frozen=True, kw_only=True)
class RequestedInput:
    """One input of the network, and how raw samples become it."""

    spec: InputSpec
    preprocess: Preprocess
    title: str = "[model] input"
    """Where its shape is declared, for errors."""

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """Of the input, where that is tokens."""
        named = self.spec.dtype
        return None if named in (None, "float32") else np.dtype(named)

    def check(self) -> None:
        """Raise `DataError` where the preprocessing does not fit the input."""
        if self.dtype is None:
            preprocess.check(self.preprocess, self.spec.shape)
            self._check_audio()
        elif self.preprocess not in (Preprocess(), Preprocess(scale=1.0)):
            raise DataError(
                "[data.preprocess] changes values, and the network takes tokens. Leave it out."
            )

    def _check_audio(self) -> None:
        how = self.preprocess.audio
        try:
            if how is not None:
                sound.length_of(asdict(how), self.spec.shape)
        except ValueError as error:
            raise DataError(
                f"[data.preprocess.audio] does not fit {self.title}: {error}. Correct either."
            ) from error

    def value(self, x: Any) -> Array:
        """The raw values of a sample that someone holds: an image, a tensor, an array or a nested
        list."""
        if not isinstance(x, Image.Image):
            return as_numpy(x)
        channels, *size = self.spec.shape
        how, color = self.preprocess, preprocess.color(self.preprocess, self.spec)
        return pixels(x, (channels, *size), color, how.resize, how.fit)

    def arrange(self, values: Array, origin: str) -> tuple[Array, tuple[Note, ...]]:
        """`values` as (n, *input shape), and a note where they had to be turned around."""
        expected = self.spec.shape
        given = values.shape[1:]
        if values.dtype.kind not in "uifb":
            texts = values.dtype.kind == "U"
            fix = NO_TOKENIZER if texts else "Store integers or floats."
            held = "texts" if texts else f"values of type {values.dtype}"
            raise DataError(f"{origin} holds {held}, not numbers. {fix}")
        if self.dtype is not None and (
            values.dtype.kind not in "ui" or values.min(initial=0) < 0
        ):
            below = numbered.within(values < 0) if values.dtype.kind in "ui" else ""
            raise DataError(
                f"{origin} holds values of type {values.dtype}, some below 0 or no whole "
                f"numbers{below}, and the network takes tokens. Store "
                "their numbers, from 0."
            )
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise DataError(
                f"{origin} has NaN or infinite values"
                f"{numbered.within(~np.isfinite(values))}. Replace them."
            )
        if given == expected:
            return values, ()
        if len(expected) == 3 and given == (*expected[1:], expected[0]):
            note = SamplesTransposed(origin=origin, shape=given)
            return np.ascontiguousarray(values.transpose(0, 3, 1, 2)), (note,)
        if expected[0] == 1 and given in (expected[1:], (int(np.prod(expected)),)):
            return values.reshape(-1, *expected), ()
        raise DataError(
            f"{origin} has samples of shape {list(given)}, but {self.title} is "
            f"{list(expected)}. Correct the one or the other."
        )


@dataclass(frozen=True, kw_only=True)
class Request:
    """The network's inputs, how raw samples become them, and the class names where known."""

    inputs: tuple[RequestedInput, ...]
    labels: tuple[str, ...] | None
    kind: TaskKind = DEFAULT_TASK
    text: TextInput | None = None
    """Conversion of texts to the inputs; `None` without a tokenizer."""
    group: str | None = None
    """Column, array or key with each sample's group, or a pattern of files' paths."""
    columns: tuple[str, ...] = ()
    """Columns of a table that are the only input, one after another."""
    categories: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Those of them that hold texts as classes, and the texts in order."""
    frame_stride: int = DataSpec.frame_stride
    """Of videos, of which one frame of so many is a sample."""

    @classmethod
    def of_one(
        cls,
        input: InputSpec,
        preprocess: Preprocess,
        labels: tuple[str, ...] | None = None,
        kind: TaskKind = DEFAULT_TASK,
    ) -> Self:
        """The request of a network with one input."""
        one = RequestedInput(spec=input, preprocess=preprocess)
        return cls(inputs=(one,), labels=labels, kind=kind)

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs' names, in order."""
        return tuple(each.spec.name for each in self.inputs)

    @property
    def takes_tokens(self) -> bool:
        """Return whether every input is of whole numbers."""
        return all(each.dtype is not None for each in self.inputs)

    @property
    def beside_text(self) -> tuple[RequestedInput, ...]:
        """The inputs that a text's tokens do not fill; empty without a tokenizer."""
        if self.text is None:
            return ()
        filled = [name for name, _ in self.text.inputs]
        return tuple(each for each in self.inputs if each.spec.name not in filled)

    @property
    def format(self) -> TargetFormat:
        """The form of targets of the kind of task; raises `UsageError` for an unknown kind."""
        return tasks.of(self.kind).targets

    def separate(self, given: Any, origin: str) -> tuple[Any, ...]:
        """The part of each input: of a mapping by name, of a tuple by place; all of it where
        there is one input. Raises `DataError` where one is missing."""
        if isinstance(given, Mapping):
            return tuple(given[name] for name in self._keys(given, origin))
        if len(self.inputs) == 1:
            return (given,)
        if isinstance(given, tuple | list) and len(given) == len(self.inputs):
            return tuple(given)
        found = f"{len(given)}" if isinstance(given, tuple | list) else "one"
        raise DataError(
            f"{origin} has samples of {found} part{'s' * (found != 'one')}, and the network "
            f"takes {', '.join(self.names)}. Give a dictionary with these names."
        )

    def _keys(self, given: Mapping[str, Any], origin: str) -> tuple[str, ...]:
        """The inputs' keys in a mapping; the only input may have a usual name."""
        if len(self.names) == 1 and self.names[0] not in given:
            usual = next((name for name in INPUTS if name in given), None)
            if usual is not None:
                return (usual,)
        missing = [name for name in self.names if name not in given]
        if missing:
            one = len(self.names) == 1
            expected = f"{' or '.join(INPUTS)}" if one else ", ".join(self.names)
            raise DataError(
                f"{origin} has {', '.join(map(str, given)) or 'nothing'}, and no "
                f"'{missing[0]}'. Name the inputs {expected}."
            )
        return self.names

    def targets_in(self, given: Mapping[str, Any]) -> str | None:
        """The key of the targets in a mapping; `None` without any."""
        free = (name for name in TARGETS if name not in self.names)
        return next((name for name in free if name in given), None)

    def arrange(self, given: Feeds, origin: str) -> tuple[Feeds, tuple[Note, ...]]:
        """An array (n, *shape) for each input, and notes where they had to be turned around."""
        found = [
            each.arrange(values, self._origin(origin, each))
            for each, values in zip(self.inputs, given, strict=True)
        ]
        return tuple(x for x, _ in found), tuple(n for _, notes in found for n in notes)

    def _origin(self, origin: str, one: RequestedInput) -> str:
        several = len(self.inputs) > 1
        return f"{origin}: '{one.spec.name}'" if several else origin

    def dataset(
        self,
        samples: Sequence[Samples],
        targets: Targets | StoredTargets,
        labels: tuple[str, ...],
        notes: tuple[Note, ...] = (),
    ) -> Dataset:
        """A data set of the samples of each input and targets."""
        columns = [
            Column(
                samples=part,
                preprocess=each.preprocess,
                dtype=each.dtype,
                name=each.spec.name,
            )
            for each, part in zip(self.inputs, samples, strict=True)
        ]
        found = Dataset(columns, targets, labels=labels, notes=notes)
        found.boxed = self.format.boxes and targets.shape[1:][1:] == (len(NO_BOX),)
        return found

    def labeled(
        self,
        samples: Sequence[Samples],
        values: Any | None,
        origin: str,
        *,
        names: tuple[str, ...] | None = None,
        notes: tuple[Note, ...] = (),
    ) -> Dataset:
        """A data set of samples with the targets that `values` are, or without any."""
        counts = sorted({len(part) for part in samples})
        if len(counts) > 1:
            raise DataError(
                f"{origin} has {counts[0]} samples of one input and {counts[-1]} of another. "
                "Give as many of each."
            )
        if values is None:
            nothing = self.format.unlabeled(counts[0])
            return self.dataset(samples, nothing, self.labels or (), notes)
        if len(values) != counts[0]:
            raise DataError(
                f"{origin} has {counts[0]} samples but {len(values)} labels."
            )
        targets, labels = self.targets(values, origin, names)
        return self.dataset(samples, targets, labels, notes)

    def targets(
        self, values: Any, origin: str, names: tuple[str, ...] | None = None
    ) -> tuple[Targets, tuple[str, ...]]:
        """Targets (n, ...) and the classes' names; `names` are the source's own.

        Raises `DataError` for values that are not targets of the kind of task.
        """
        given = np.asarray(values)
        return self.format.read(given, origin=origin, labels=self.labels, names=names)


def requested(
    network: Program, model: ModelSpec, general: Preprocess
) -> tuple[RequestedInput, ...]:
    """The network's inputs, each with its own preprocessing in `model`, or the `general` one.

    Raises `DataError` where `[[model.inputs]]` names an unknown input.
    """
    own = {each.name: each.preprocess for each in model.inputs}
    names = [spec.name for spec in network.specs]
    unknown = next((name for name in own if name not in names), None)
    if unknown is not None:
        raise DataError(
            f"[[model.inputs]] names '{unknown}', and the network takes {', '.join(names)}. "
            "Correct the name."
        )
    count = len(names)
    return tuple(
        requested_input(spec, count, own.get(spec.name), general)
        for spec in network.specs
    )


def requested_input(
    spec: InputSpec, count: int, own: Preprocess | None, general: Preprocess
) -> RequestedInput:
    """One of `count` inputs. Tokens among several stay as they are without a preprocessing of
    their `own`."""
    several = count > 1
    as_is = several and spec.dtype not in (None, "float32")
    return RequestedInput(
        spec=spec,
        preprocess=own or (Preprocess(scale=1.0) if as_is else general),
        title=f"the input '{spec.name}'" if several else "[model] input",
    )
