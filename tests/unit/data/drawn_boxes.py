"""Small data sets with boxes, the same in each format: two images of 40 x 20 pixels."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

SIZE = (40, 20)
NAMES = ("cat", "dog")
BOXES = {
    "a": [("dog", 4, 2, 14, 12)],
    "b": [("cat", 0, 0, 8, 20), ("dog", 20, 5, 40, 15)],
}
"""Corners in pixels, which count from 0."""


def pictures(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in BOXES:
        Image.new("RGB", SIZE, (9, 200, 90)).save(folder / f"{name}.png")


def coco(home: Path) -> Path:
    """`annotations/instances.json` beside `pictures/`, with categories 3 and 7."""
    pictures(home / "pictures")
    numbers = {"cat": 3, "dog": 7}
    given = [
        {
            "id": n,
            "image_id": stem,
            "category_id": numbers[name],
            "bbox": [x, y, r - x, b - y],
        }
        for n, (stem, name, x, y, r, b) in enumerate(
            (stem, *box) for stem, boxes in BOXES.items() for box in boxes
        )
    ]
    content = {
        "images": [
            {"id": stem, "file_name": f"{stem}.png", "width": 40, "height": 20}
            for stem in BOXES
        ],
        "annotations": given,
        "categories": [{"id": n, "name": name} for name, n in numbers.items()],
    }
    file = home / "annotations" / "instances.json"
    file.parent.mkdir()
    file.write_text(json.dumps(content))
    return file


def yolo(home: Path) -> Path:
    """`images/` and `labels/`, with `data.yaml`."""
    pictures(home / "images")
    (home / "labels").mkdir()
    (home / "data.yaml").write_text("nc: 2\nnames: ['cat', 'dog']  # two\n")
    for stem, boxes in BOXES.items():
        rows = [
            f"{NAMES.index(name)} {(x + r) / 80} {(y + b) / 40} {(r - x) / 40} {(b - y) / 20}"
            for name, x, y, r, b in boxes
        ]
        (home / "labels" / f"{stem}.txt").write_text("\n".join(rows))
    return home


def voc(home: Path) -> Path:
    """`Annotations/` and `JPEGImages/`, with a list of both images."""
    pictures(home / "JPEGImages")
    (home / "Annotations").mkdir()
    for stem, boxes in BOXES.items():
        objects = "".join(
            f"<object><name>{name}</name><bndbox><xmin>{x + 1}</xmin><ymin>{y + 1}</ymin>"
            f"<xmax>{r}</xmax><ymax>{b}</ymax></bndbox></object>"
            for name, x, y, r, b in boxes
        )
        size = "<size><width>40</width><height>20</height></size>"
        (home / "Annotations" / f"{stem}.xml").write_text(
            f"<annotation><filename>{stem}.png</filename>{size}{objects}</annotation>"
        )
    lists = home / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "some.txt").write_text("b\n")
    return home
