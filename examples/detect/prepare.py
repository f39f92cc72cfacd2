"""Writes data/ from the BCCD data set: `python prepare.py FOLDER`, the one with Annotations/.

https://github.com/Shenggan/BCCD_Dataset, MIT: data/LICENSE. The photographs are a quarter as wide
and high, 160 x 120 pixels.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from PIL import Image

from edgekit.data import voc

HERE = Path(__file__).parent
SIZE = (160, 120)
PARTS = {"train": "trainval", "test": "test"}


def main() -> None:
    home = Path(sys.argv[1])
    for part, listed in PARTS.items():
        found = voc.read(home / "ImageSets" / "Main" / f"{listed}.txt")
        assert found is not None and not found.faults, found
        names = {name: number for number, name in enumerate(found.names, 1)}
        folder = HERE / "data" / part
        folder.mkdir(parents=True, exist_ok=True)
        images, annotations = [], []
        for number, one in enumerate(found.images, 1):
            with Image.open(one.path) as opened:
                across, down = (
                    new / old for new, old in zip(SIZE, opened.size, strict=True)
                )
                small = opened.resize(SIZE, Image.Resampling.LANCZOS)
            name = one.path.name.removeprefix("BloodImage_")
            small.save(folder / name, quality=85)
            images.append(
                {"id": number, "file_name": name, "width": SIZE[0], "height": SIZE[1]}
            )
            for (x1, y1, x2, y2), kind in zip(one.boxes, one.classes, strict=True):
                box = [x1 * across, y1 * down, (x2 - x1) * across, (y2 - y1) * down]
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": number,
                        "category_id": names[kind],
                        "bbox": [round(value, 2) for value in box],
                    }
                )
        categories = [{"id": number, "name": name} for name, number in names.items()]
        content = {
            "images": images,
            "annotations": annotations,
            "categories": categories,
        }
        (folder / "annotations.json").write_text(
            json.dumps(content, separators=(",", ":"))
        )


if __name__ == "__main__":
    main()
