"""Make photographs/ again: `pip install scikit-image==0.26.0`, then `python prepare.py`.

Photographs that scikit-image carries and nobody has rights in any more, made small.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
SHORTER_SIDE = 200
PHOTOGRAPHS = {
    "train": (
        *("astronaut.png", "coffee.png", "grass.png", "gravel.png"),
        *("hubble_deep_field.jpg", "rocket.jpg"),
    ),
    "test": ("brick.png", "camera.png", "chelsea.png"),
}


def main() -> None:
    found = importlib.util.find_spec("skimage")
    if found is None or found.origin is None:
        raise SystemExit("scikit-image is missing: pip install scikit-image==0.26.0")
    for part, names in PHOTOGRAPHS.items():
        folder = HERE / "photographs" / part
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            image = Image.open(Path(found.origin).parent / "data" / name).convert("RGB")
            image.thumbnail([SHORTER_SIDE * max(image.size) // min(image.size)] * 2)
            image.save(folder / f"{Path(name).stem}.jpg", quality=80)


if __name__ == "__main__":
    main()
