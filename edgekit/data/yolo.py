"""YOLO's text: `images/NAME.jpg` and `labels/NAME.txt`, a row a box.

https://docs.ultralytics.com/datasets/detect. A row is class, center x, center y, width, height, as
fractions of the image. Names are those of `data.yaml` or `classes.txt`.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from edgekit.data.annotations import Annotated, AnnotatedImage
from edgekit.data.folder import images_in
from edgekit.errors import DataError
from edgekit.safe_io import read_text, reading, reason

IMAGES, LABELS = "images", "labels"
_LISTS = ("classes.txt", "obj.names")
_YAML = ("data.yaml", "data.yml", "dataset.yaml")
_ROW = 5
_QUOTES = "\"' "


def read(path: Path) -> Annotated | None:
    """The images of a folder with `images/` and `labels/`, or of a folder of images below an
    `images/` with the same below `labels/` beside it; `None` for others.

    An image without a file of labels has no boxes.
    """
    places = _places(path)
    if places is None:
        return None
    pictures, labels = places
    images: list[AnnotatedImage] = []
    faults: list[tuple[str, str]] = []
    for picture in images_in(pictures, deep=True):
        file = labels / picture.relative_to(pictures).with_suffix(".txt")
        try:
            images.append(_image(picture, file))
        except DataError as error:
            faults.append((str(file), reason(error.__cause__ or error)))
    names = _names(labels)
    return Annotated(images=images, names=names, numbered=True, faults=faults)


def _places(path: Path) -> tuple[Path, Path] | None:
    """The folders of images and of labels."""
    if not path.is_dir():
        return None
    if (path / IMAGES).is_dir() and (path / LABELS).is_dir():
        return path / IMAGES, path / LABELS
    parts = path.absolute().parts
    for at in range(len(parts) - 1, 0, -1):
        if parts[at] == IMAGES:
            labels = Path(*parts[:at], LABELS, *parts[at + 1 :])
            return (path, labels) if labels.is_dir() else None
    return None


def _image(picture: Path, file: Path) -> AnnotatedImage:
    found = AnnotatedImage(path=picture, fractions=True)
    if not file.exists():
        return found
    rows = read_text(file, DataError).splitlines()
    with reading(file, DataError, kind="YOLO labels"):
        for number, row in enumerate(rows, 1):
            if row.strip():
                _add(row.split(), number, found)
    return found


def _add(row: list[str], number: int, image: AnnotatedImage) -> None:
    if len(row) != _ROW:
        raise ValueError(f"line {number} has {len(row)} numbers instead of {_ROW}")
    kind, x, y, width, height = map(float, row)
    if kind < 0 or kind != int(kind):
        raise ValueError(f"line {number} has the class {row[0]}")
    if not all(map(math.isfinite, (x, y, width, height))):
        raise ValueError(f"line {number} has a number that is not finite")
    image.boxes.append((x - width / 2, y - height / 2, x + width / 2, y + height / 2))
    image.classes.append(str(int(kind)))


def _names(labels: Path) -> tuple[str, ...]:
    """The names in a file of the labels' folder or one of the three above it; none without."""
    for folder in (labels, *labels.absolute().parents[:3]):
        for name in _LISTS:
            if (folder / name).is_file():
                rows = read_text(folder / name, DataError).splitlines()
                return tuple(row.strip() for row in rows if row.strip())
        for name in _YAML:
            if (folder / name).is_file():
                return _of_yaml(read_text(folder / name, DataError), folder / name)
    return ()


def _of_yaml(text: str, file: Path) -> tuple[str, ...]:
    """`names:` of Ultralytics' file in any of its three forms; nothing else of YAML is read."""
    inline = re.search(r"^names:\s*[\[{](.*?)[\]}]", text, re.MULTILINE | re.DOTALL)
    block = re.search(
        r"^names:[ \t]*(?:#.*)?\n((?:[ \t]*(?:-|\d+:).*\n?)+)", text, re.MULTILINE
    )
    if inline is not None:
        rows = inline[1].split(",")
    elif block is not None:
        rows = [row.strip().removeprefix("-") for row in block[1].splitlines()]
    else:
        raise DataError(f"{file} has no list of names. Add one, or set [task] classes.")
    names = [re.sub(r"^\s*\d+\s*:", "", row).partition(" #")[0] for row in rows]
    return tuple(name.strip(_QUOTES) for name in names if name.strip(_QUOTES))
