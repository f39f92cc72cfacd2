"""COCO's JSON: `images`, `annotations` and `categories`.

https://cocodataset.org/#format-data. Boxes are x, y, width, height in pixels; those of crowds are
left out. Masks are polygons or run lengths.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit.data.annotations import Annotated, AnnotatedImage, image_beside
from edgekit.errors import DataError
from edgekit.safe_io import parse_json, read_text, reading

SUFFIX = ".json"
_KEYS = ("images", "annotations", "categories")
_BYTES = 1 << 30
_NAMES = (
    "_annotations.coco.json",
    "annotations.json",
    "instances*.json",
    "*coco*.json",
)
"""Usual names of the file in a folder of images, or in `annotations/` beside them."""
_FIX = "Give COCO's JSON, with images, annotations and categories."


def read(path: Path) -> Annotated | None:
    """The images of a `.json`, or of a folder that holds one; `None` for others.

    Images are looked for beside the file, in `images/`, and in folders beside its own. Raises
    `DataError` where the file has not COCO's form.
    """
    found = content(path)
    if found is None:
        return None
    file, given = found
    with reading(file, DataError, kind="COCO annotations", fix=_FIX):
        return _annotated(given, file)


def content(path: Path) -> tuple[Path, Mapping[str, Any]] | None:
    """The file of annotations that `path` is or holds, and what is in it; `None` for others."""
    file = _file(path)
    if file is None:
        return None
    text = read_text(file, DataError, limit=_BYTES)
    with reading(file, DataError, kind="COCO annotations", fix=_FIX):
        given: Mapping[str, Any] = parse_json(text)
        lacking = [key for key in _KEYS if key not in given]
        if lacking:
            raise ValueError(f"it lacks {', '.join(lacking)}")
        return file, given


def _file(path: Path) -> Path | None:
    if path.suffix == SUFFIX:
        return path
    if not path.is_dir():
        return None
    found = {
        each: None
        for folder in (path, path / "annotations")
        for name in _NAMES
        for each in sorted(folder.glob(name))
    }
    if len(found) > 1:
        raise DataError(
            f"{path} has several files of annotations: {', '.join(f.name for f in found)}. "
            "Name one of them in [data]."
        )
    return next(iter(found), None)


def _annotated(content: Mapping[str, Any], file: Path) -> Annotated:
    names = categories(content)
    images, faults = images_of(content, file)
    missing = {name for name, _ in faults}
    for one in content["annotations"]:
        _add(one, images, names, faults)
    there = [image for image in images.values() if str(image.path) not in missing]
    return Annotated(images=there, names=tuple(names.values()), faults=faults)


def categories(content: Mapping[str, Any]) -> dict[Any, str]:
    """The name of each category by its number, in the order of numbers."""
    found = sorted(content["categories"], key=lambda one: int(one["id"]))
    return {one["id"]: str(one["name"]) for one in found}


def images_of(
    content: Mapping[str, Any], file: Path
) -> tuple[dict[Any, AnnotatedImage], list[tuple[str, str]]]:
    """The images by their numbers, without annotations, and those that are not there."""
    folders = _folders(file.parent)
    images: dict[Any, AnnotatedImage] = {}
    faults: list[tuple[str, str]] = []
    for one in content["images"]:
        name = str(one["file_name"])
        path = image_beside(name, folders)
        if path is None:
            faults.append((name, f"there is no such image in or beside {file.parent}"))
            path = Path(name)
        size = (int(one["width"]), int(one["height"])) if "width" in one else None
        images[one["id"]] = AnnotatedImage(path=path, size=size)
    return images, faults


def _folders(home: Path) -> list[Path]:
    """Where images may lie: beside the file, or in a folder beside its own."""
    around = [home, home / "images", home.parent / "images", home.parent]
    beside = home.parent.iterdir() if home.name == "annotations" else ()
    return [*around, *sorted(each for each in beside if each.is_dir())]


def _add(
    one: Mapping[str, Any],
    images: Mapping[Any, AnnotatedImage],
    names: Mapping[Any, str],
    faults: list[tuple[str, str]],
) -> None:
    """Add one annotation to its image, or its fault."""
    if one.get("iscrowd"):
        return
    image = images.get(one["image_id"])
    title = f"annotation {one.get('id', '?')}"
    if image is None:
        faults.append((title, f"there is no image {one['image_id']}"))
    elif one["category_id"] not in names:
        faults.append((title, f"there is no category {one['category_id']}"))
    else:
        try:
            x, y, width, height = map(float, one["bbox"])
        except (TypeError, ValueError):
            fault = f"its bbox {one['bbox']} is not x, y, width, height"
            faults.append((title, fault))
            return
        image.boxes.append((x, y, x + width, y + height))
        image.classes.append(names[one["category_id"]])
