"""Pascal VOC: an XML file an image.

http://host.robots.ox.ac.uk/pascal/VOC/voc2012/devkit_doc.pdf. Pixels count from 1, and a box's
last pixel is its own.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from edgekit.data.annotations import Annotated, AnnotatedImage, image_beside
from edgekit.data.folder import SUFFIXES
from edgekit.errors import DataError
from edgekit.safe_io import read_text, reading, reason

ANNOTATIONS, IMAGES = "Annotations", "JPEGImages"
_BYTES = 1 << 24
_SIDES = ("xmin", "ymin", "xmax", "ymax")


def read(path: Path) -> Annotated | None:
    """The images of a folder with `Annotations/` and `JPEGImages/`, of one with `.xml` files beside
    images, or those that a list such as `ImageSets/Main/train.txt` names; `None` for others."""
    if path.suffix == ".txt" and path.is_file():
        home = next(
            (each for each in path.parents if (each / ANNOTATIONS).is_dir()), None
        )
        if home is None:
            return None
        names = [
            row.split()[0]
            for row in read_text(path, DataError).splitlines()
            if row.strip()
        ]
        return _annotated([home / ANNOTATIONS / f"{name}.xml" for name in names], home)
    if not path.is_dir():
        return None
    apart = (path / ANNOTATIONS).is_dir()
    files = sorted((path / ANNOTATIONS if apart else path).glob("*.xml"))
    return _annotated(files, path) if files or apart else None


def _annotated(files: list[Path], home: Path) -> Annotated:
    images: list[AnnotatedImage] = []
    faults: list[tuple[str, str]] = []
    for file in files:
        try:
            images.append(_image(file, home))
        except DataError as error:
            faults.append((str(file), _why(error)))
    names = {name for image in images for name in image.classes}
    return Annotated(images=images, names=tuple(sorted(names)), faults=faults)


def _why(error: DataError) -> str:
    return reason(error.__cause__ or error)


def _image(file: Path, home: Path) -> AnnotatedImage:
    """The image of one file; raises `DataError`."""
    text = read_text(file, DataError, limit=_BYTES)
    with reading(file, DataError, kind="Pascal VOC annotations"):
        root = ElementTree.fromstring(text)
        path = _picture(root.findtext("filename") or file.stem, file, home)
        found = AnnotatedImage(path=path, size=_size(root))
        for each in root.iter("object"):
            name, box = each.findtext("name"), each.find("bndbox")
            if not name or box is None:
                raise ValueError("an object lacks its name or bndbox")
            sides = [_number(box, side) for side in _SIDES]
            found.boxes.append((sides[0] - 1, sides[1] - 1, sides[2], sides[3]))
            found.classes.append(name.strip())
    return found


def _picture(name: str, file: Path, home: Path) -> Path:
    """The image: by its name, or by that of its annotations."""
    folders = (home / IMAGES, home / "images", home, file.parent)
    names = (name, *(f"{file.stem}{suffix}" for suffix in sorted(SUFFIXES)))
    found = next((at for each in names if (at := image_beside(each, folders))), None)
    if found is None:
        raise DataError(f"there is no image {name} in {home}")
    return found


def _size(root: ElementTree.Element) -> tuple[int, int] | None:
    """(width, height); `None` where they are missing or 0, as some tools write them."""
    size = root.find("size")
    if size is None:
        return None
    width, height = (int(_number(size, side)) for side in ("width", "height"))
    return (width, height) if width and height else None


def _number(element: ElementTree.Element, name: str) -> float:
    text = element.findtext(name)
    if text is None:
        raise ValueError(f"it lacks {name} of {element.tag}")
    return float(text)
