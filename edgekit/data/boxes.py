"""Images with boxes: from the annotations of any format to samples and targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edgekit.agent.serving.decode import placement
from edgekit.data import coco, voc, yolo
from edgekit.data.annotations import Annotated, AnnotatedImage
from edgekit.data.dataset import Dataset
from edgekit.data.faults import listed
from edgekit.data.folder import image_files
from edgekit.data.preprocess import Array
from edgekit.data.request import Request
from edgekit.data.stored_targets import BoxRows
from edgekit.errors import DataError
from edgekit.safe_io import reading, reason
from edgekit.tasks.numbered import NAMED
from edgekit.tasks.targets import NO_BOX
from edgekit.types.data_notes import BoxesLeftOut
from edgekit.types.notes import Note

_OVER = 0.01
"""Fraction of an image by which a box may reach over its edge, rounding and hasty marks: it is cut
off there."""
_OVER_PIXELS = 2
READERS: tuple[Callable[[Path], Annotated | None], ...] = (
    coco.read,
    voc.read,
    yolo.read,
)
"""Each reads annotations of its format, `None` where a path holds none."""


def load(path: Path, request: Request) -> Dataset | None:
    """The images with boxes that `path` names, in any format; `None` where it holds none.

    Targets are (n, boxes, 5), x1, y1, x2, y2 in pixels of the network's input and the class; rows
    after a sample's last box have the class -1. Raises `DataError` that names what is wrong with
    all files at once.
    """
    found = next((read for each in READERS if (read := each(path)) is not None), None)
    if found is None:
        return None
    if not found.images and not found.faults:
        raise DataError(
            f"{path} has annotations of no image. Check the path, or add some."
        )
    names, numbers = _classes(found, request.labels, path)
    drawn = _Boxes(request=request, numbers=numbers, faults=list(found.faults))
    each = [drawn.of(image) for image in found.images]
    (image,) = request.inputs
    samples = image_files([one.path for one in found.images], image)
    if drawn.faults:
        _refuse([*drawn.faults, *_others(samples.faults(), drawn.faults)], path)
    notes: tuple[Note, ...] = ()
    if drawn.empty:
        boxes = sum(map(len, each)) + drawn.empty
        notes = (BoxesLeftOut(origin=str(path), boxes=drawn.empty, of=boxes),)
    return request.dataset([samples], BoxRows.of(each), names, notes)


def held(targets: Sequence[Any]) -> Array | None:
    """Boxes (n, boxes, 5) of a loader's samples: each is (boxes, 5), or has `boxes` (boxes, 4)
    and `labels` (boxes,); `None` for targets of another form."""
    rows = [_rows(target) for target in targets]
    found = [row for row in rows if row is not None]
    if len(found) != len(rows):
        return None
    return BoxRows.of(found).read(np.arange(len(found)))


def _rows(target: Any) -> Array | None:
    if isinstance(target, Mapping) and {"boxes", "labels"} <= {*target}:
        boxes = np.asarray(target["boxes"], np.float32).reshape(-1, len(NO_BOX) - 1)
        return np.column_stack([boxes, np.asarray(target["labels"])])
    values = np.asarray(target)
    if values.dtype.kind not in "uif" or values.shape[1:] != (len(NO_BOX),):
        return None
    return values


@dataclass(frozen=True, kw_only=True)
class _Boxes:
    """Boxes in pixels of the input, and what is wrong with those that are none."""

    request: Request
    numbers: dict[str, int]
    faults: list[tuple[str, str]]
    _empty: list[int] = field(default_factory=list)

    @property
    def empty(self) -> int:
        """Number of boxes without an area, which are left out."""
        return len(self._empty)

    def of(self, image: AnnotatedImage) -> Array:
        """The boxes (boxes, 5) of an image; its fault is noted where there is one."""
        nothing = np.empty((0, 5), np.float32)
        try:
            with reading(image.path, DataError), Image.open(image.path) as opened:
                size = opened.size
        except DataError as error:
            self.faults.append((str(image.path), reason(error.__cause__ or error)))
            return nothing
        fault = image.fault(size) or self._unknown(image)
        corners = image.corners(size)
        fault = fault or _outside(corners, size)
        if fault is not None:
            self.faults.append((str(image.path), fault))
            return nothing
        return self._placed(image, corners, size)

    def _unknown(self, image: AnnotatedImage) -> str | None:
        odd = next((name for name in image.classes if name not in self.numbers), None)
        if odd is None:
            return None
        return f"its class '{odd}' is none of {', '.join(self.numbers)}"

    def _placed(
        self, image: AnnotatedImage, corners: Array, size: tuple[int, int]
    ) -> Array:
        (one,) = self.request.inputs
        at = placement(size, one.spec.shape[1:], one.preprocess.fit)
        within = np.clip(corners, 0, np.array(size * 2))
        placed = within * np.array(at.scale * 2) + np.array(at.offset * 2)
        classes = [self.numbers[name] for name in image.classes]
        rows = np.column_stack([placed, classes]).astype(np.float32)
        real = (corners[:, 2:] > corners[:, :2]).all(1)
        self._empty.extend([1] * int((~real).sum()))
        return rows[real]


def _outside(corners: Array, size: tuple[int, int]) -> str | None:
    """The fault of boxes (boxes, 4) that reach over an image's edge, as a sentence."""
    edge = np.array(size)
    over = np.maximum(_OVER_PIXELS, _OVER * edge)
    odd = (corners[:, :2] < -over) | (corners[:, 2:] > edge + over)
    odd |= corners[:, 2:] < corners[:, :2]
    bad = np.flatnonzero(odd.any(1) | ~np.isfinite(corners).all(1))
    if not len(bad):
        return None
    first = corners[bad[0]]
    if (first[2:] < first[:2]).any():
        return f"box {bad[0] + 1} has a width or height below 0"
    shown = ", ".join(f"{value:g}" for value in first)
    return f"box {bad[0] + 1} ({shown}) is not within {size[0]} x {size[1]} pixels"


def _classes(
    found: Annotated, labels: tuple[str, ...] | None, path: Path
) -> tuple[tuple[str, ...], dict[str, int]]:
    """The classes in the order of their numbers, those known already or the annotations' own, and
    the number of each class as the annotations have it."""
    own = found.names
    if found.numbered and not own:
        highest = max((int(n) for one in found.images for n in one.classes), default=-1)
        own = labels or tuple(str(number) for number in range(highest + 1))
    names = labels or own
    extra = sorted(set(own) - set(names))
    if extra:
        raise DataError(
            f"{path} has the classes {', '.join(extra[:NAMED])}, which are none of "
            f"{', '.join(names)}. Use the same classes in both, or correct [task] classes."
        )
    given = map(str, range(len(own))) if found.numbered else own
    return names, {
        each: names.index(name) for each, name in zip(given, own, strict=True)
    }


def _others(
    faults: Sequence[tuple[str, str]], known: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    """The faults of files that have none yet."""
    names = {name for name, _ in known}
    return [(name, fault) for name, fault in faults if name not in names]


def _refuse(faults: Sequence[tuple[str, str]], path: Path) -> None:
    what = "one image" if len(faults) == 1 else f"{len(faults)} images"
    raise DataError(
        f"{path} has {what} with annotations that cannot be used: {listed(faults)}. Correct or "
        f"remove {'it' if len(faults) == 1 else 'them'}."
    )
