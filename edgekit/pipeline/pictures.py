"""A few samples for the report, with the places that data, networks and file see in them."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from PIL import Image

from edgekit import tasks
from edgekit.config.project import Project
from edgekit.data import Dataset, predictions
from edgekit.data.metrics import decoder_of
from edgekit.data.preprocess import Array
from edgekit.evaluate.accuracy import predict
from edgekit.evaluate.run import infer
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.io_fusion import as_files_take
from edgekit.pipeline.loading import Loaded
from edgekit.pipeline.proof import Proof
from edgekit.tasks.decoding import Decode, Found, Instances
from edgekit.tasks.scores import Outputs
from edgekit.tasks.things import Things
from edgekit.types import (
    Drawing,
    DrawnBox,
    DrawnMask,
    DrawnPicture,
    Report,
    TaskSpec,
)

_SAMPLES = 4
_DATA = "the data"
_QUALITY = 80
_COLORS = (
    *((228, 87, 46), (23, 190, 187), (255, 201, 20), (118, 176, 65)),
    *((176, 124, 255), (0, 114, 178), (204, 121, 167), (120, 86, 60)),
)
"""Of classes after the first one, which has none, in turns."""
_OPAQUE, _UNKNOWN = 150, (90, 90, 90, 150)
_FRACTION = 1.001
"""The largest coordinate of points that are fractions of the image."""


class _Draws(Protocol):
    """Draws a task's targets and outputs, a drawing for each sample."""

    def marked(self, few: Dataset) -> list[Drawing]:
        """The targets of the data."""

    def found(self, name: str, outputs: Outputs) -> list[Drawing]:
        """The outputs (n, ...) of a network or file."""


def with_pictures(
    report: Report, project: Project, env: Environment, loaded: Loaded, proof: Proof
) -> Report:
    """The report with pictures of samples, where the task has places and samples are images."""
    test = loaded.samples.test
    if len(test.columns) != 1:
        return report
    few = test.subset(np.unique(np.linspace(0, len(test) - 1, _SAMPLES).astype(int)))
    images = [*_images(few)]
    draws = _draws(project, few) if images else None
    if draws is None:
        return report
    drawn = [draws.marked(few)]
    for name, outputs in _outputs(few, env, loaded, proof):
        drawn.append(draws.found(name, outputs))
    pictures = tuple(
        replace(image, drawn=tuple(each[number] for each in drawn))
        for number, image in enumerate(images)
    )
    return replace(report, pictures=pictures)


def _draws(project: Project, few: Dataset) -> _Draws | None:
    """The drawer of a project's task; `None` where there is nothing to draw, or no target."""
    task, spec = tasks.of(project.task), project.task
    size = few.columns[0].samples.raw(few.numbers[:1]).shape[2:]
    decode = decoder_of(spec, project.root)
    if decode is not None and few.boxed:
        return _Boxes(decode=decode, labels=few.labels, least=_least(spec))
    if not few.labeled:
        return None
    if task.finds_masks and decode is not None:
        return _Things(
            decode=decode, labels=few.labels or spec.classes or (), least=_least(spec)
        )
    if task.maps is not None and len(few.target_shape) >= len(size):
        return _Maps(maps=task.maps, labels=few.labels or spec.classes or ())
    if task.points is not None:
        return _Points(
            points=task.points, size=size, fractions=np.nanmax(few.targets) < _FRACTION
        )
    return None


def _least(spec: TaskSpec) -> float:
    """The least score of what is drawn."""
    return 0.0 if spec.box_decoder is None else spec.box_decoder.confidence


def _images(few: Dataset) -> Iterator[DrawnPicture]:
    """The samples as they lie in the network's input; none where they are not images."""
    (column,) = few.columns
    raw = column.samples.raw(few.numbers)
    if raw.ndim != 4 or raw.shape[1] not in (1, 3):
        return
    if raw.dtype != np.uint8:
        least, most = float(raw.min()), float(raw.max())
        raw = ((raw - least) * (255 / max(most - least, 1e-12))).astype(np.uint8)
    turned = column.preprocess.color == "bgr"
    for values in raw[:, ::-1] if turned else raw:
        yield _picture(values)


def _picture(values: Array) -> DrawnPicture:
    """An image (channels, height, width) as a JPEG."""
    pixels = values.transpose(1, 2, 0)
    image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
    content = io.BytesIO()
    image.save(content, "JPEG", quality=_QUALITY)
    encoded = base64.b64encode(content.getvalue()).decode()
    return DrawnPicture(jpeg=encoded, width=image.width, height=image.height)


def _outputs(
    few: Dataset, env: Environment, loaded: Loaded, proof: Proof
) -> Iterator[tuple[str, Array]]:
    """Outputs of the networks and of the chosen file, by name."""
    yield "the network", predict(loaded.teacher, few)
    yield "the student", predict(proof.student, few)
    chosen = proof.timed.chosen
    if chosen is not None:
        feeds, _ = as_files_take(loaded.samples, few).feeds()
        reads = loaded.teacher.reads
        given = infer(chosen.artifact, feeds, env.device, reads)
        scores = predictions.scores(given, loaded.samples.folding)
        yield chosen.artifact.name, predictions.logits(scores, loaded.samples.folding)


@dataclass(frozen=True, kw_only=True)
class _Boxes:
    """Boxes of a detector, those at least as sure as the device returns them."""

    decode: Decode
    labels: Sequence[str]
    least: float

    def marked(self, few: Dataset) -> list[Drawing]:
        return [
            Drawing(
                name=_DATA,
                boxes=tuple(
                    _box(row[:4], self.labels, int(row[4]))
                    for row in rows[rows[:, 4] >= 0]
                ),
            )
            for rows in few.targets
        ]

    def found(self, name: str, outputs: Outputs) -> list[Drawing]:
        return [
            Drawing(name=name, boxes=_drawn(one, self.labels, self.least))
            for one in self.decode(outputs)
        ]


@dataclass(frozen=True, kw_only=True)
class _Maps:
    """The class of each pixel."""

    maps: Callable[[Outputs], Array]
    labels: Sequence[str]

    def marked(self, few: Dataset) -> list[Drawing]:
        return self._each(_DATA, few.targets)

    def found(self, name: str, outputs: Outputs) -> list[Drawing]:
        return self._each(name, self.maps(outputs))

    def _each(self, name: str, maps: Array) -> list[Drawing]:
        flat = maps.reshape(len(maps), *maps.shape[-2:])
        return [Drawing(name=name, mask=self._mask(one)) for one in flat]

    def _mask(self, classes: Array) -> DrawnMask:
        there = [int(number) for number in np.unique(classes) if number > 0]
        return _colored(classes, [_label(self.labels, number) for number in there])


def _colored(numbers: Array, names: Sequence[str]) -> DrawnMask:
    """A color for each number above 0 of a map (height, width), gray below; with names of what is
    there."""
    colors = np.zeros((*numbers.shape, 4), np.uint8)
    for number in np.unique(numbers[numbers > 0]).tolist():
        colors[numbers == number] = (*_COLORS[(number - 1) % len(_COLORS)], _OPAQUE)
    colors[numbers < 0] = _UNKNOWN
    content = io.BytesIO()
    Image.fromarray(colors).save(content, "PNG")
    png = base64.b64encode(content.getvalue()).decode()
    return DrawnMask(png=png, classes=tuple(names))


@dataclass(frozen=True, kw_only=True)
class _Things:
    """Things with a box and a mask each, those at least as sure as the decoder's least score."""

    decode: Decode
    labels: Sequence[str]
    least: float

    def marked(self, few: Dataset) -> list[Drawing]:
        known = map(Things.of, few.targets)
        return [
            self._one(_DATA, each.masks, self._boxes(each.rows[: len(each.masks)]))
            for each in known
        ]

    def found(self, name: str, outputs: Outputs) -> list[Drawing]:
        return [
            self._one(
                name,
                one.masks[one.scores >= self.least],
                _drawn(one, self.labels, self.least),
            )
            for one in self.decode(outputs)
            if isinstance(one, Instances)
        ]

    def _boxes(self, rows: Array) -> tuple[DrawnBox, ...]:
        return tuple(_box(row[:4], self.labels, int(row[4])) for row in rows)

    def _one(self, name: str, masks: Array, boxes: tuple[DrawnBox, ...]) -> Drawing:
        """Masks (things, height, width), each in a color of its own; the first lies on top."""
        numbers = np.zeros(masks.shape[1:], np.int64)
        for number, mask in reversed([*enumerate(masks, 1)]):
            numbers[mask] = number
        names = [one.label for one in boxes]
        return Drawing(name=name, boxes=boxes, mask=_colored(numbers, names))


@dataclass(frozen=True, kw_only=True)
class _Points:
    """Keypoints in the pixels of an image of `size` (height, width)."""

    points: Callable[[Outputs], Array]
    size: tuple[int, ...]
    fractions: bool

    def marked(self, few: Dataset) -> list[Drawing]:
        return self._each(_DATA, few.targets)

    def found(self, name: str, outputs: Outputs) -> list[Drawing]:
        return self._each(name, self.points(outputs))

    def _each(self, name: str, places: Array) -> list[Drawing]:
        scale = np.array(self.size[::-1]) if self.fractions else 1
        known = [rows[~np.isnan(rows).any(1)] for rows in places * scale]
        return [
            Drawing(
                name=name, points=tuple((round(x, 1), round(y, 1)) for x, y in rows)
            )
            for rows in (one.tolist() for one in known)
        ]


def _drawn(found: Found, labels: Sequence[str], least: float) -> tuple[DrawnBox, ...]:
    return tuple(
        replace(_box(box, labels, int(kind)), score=round(float(score), 3))
        for box, score, kind in zip(
            found.boxes, found.scores, found.classes, strict=True
        )
        if score >= least
    )


def _box(corners: Array, labels: Sequence[str], kind: int) -> DrawnBox:
    x1, y1, x2, y2 = (round(float(value), 1) for value in corners)
    return DrawnBox(box=(x1, y1, x2, y2), label=_label(labels, kind))


def _label(labels: Sequence[str], kind: int) -> str:
    return labels[kind] if kind < len(labels) else str(kind)
