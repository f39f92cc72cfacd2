"""Handwritten digits written over photographs, and for every pixel whether it is ink.

The digits are those of scikit-learn, the photographs lie in photographs/. Digits and
photographs of the test images are in no training image.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

PHOTOGRAPHS = Path(__file__).parent / "photographs"
SEED = 0
SIZE = 32
SMALLEST, LARGEST = 13, 20
"""Sides of a digit in pixels."""
SLANT = 20
"""Degrees by which a digit is turned at most."""
FAINTEST = 0.5
"""Least coverage of the background by the faintest ink."""
DISTINCT = 50
"""By how much a color differs from what is behind it, the mean over red, green and blue."""
INKED = 0.5
"""A pixel counts as ink from this much of it."""
TRAIN, TEST = 2000, 400

Samples = tuple[np.ndarray, np.ndarray]


def train() -> Samples:
    """Images (2000, 3, 32, 32) uint8 and masks (2000, 32, 32)."""
    return images("train", TRAIN, SEED)


def test() -> Samples:
    """Images (400, 3, 32, 32) uint8 and masks (400, 32, 32)."""
    return images("test", TEST, SEED + 1)


def images(part: str, count: int, seed: int) -> Samples:
    """Images and their masks: 0 is the photograph, 1 the ink."""
    draw = np.random.default_rng(seed)
    pairs = [_image(part, draw) for _ in range(count)]
    pixels, masks = zip(*pairs, strict=True)
    return np.stack(pixels).transpose(0, 3, 1, 2), np.stack(masks)


def _image(part: str, draw: np.random.Generator) -> Samples:
    """A crop of a photograph with one or two digits over it (SIZE, SIZE, 3), and its mask."""
    photographs = _photographs(part)
    photograph = photographs[draw.integers(len(photographs))]
    top, left = (draw.integers(side - SIZE + 1) for side in photograph.shape[:2])
    pixels = photograph[top : top + SIZE, left : left + SIZE].astype(np.float32)
    mask = np.zeros((SIZE, SIZE), np.uint8)
    for _ in range(draw.integers(1, 3)):
        ink = _written(part, draw)
        y, x = (draw.integers(SIZE - side + 1) for side in ink.shape)
        place = slice(y, y + ink.shape[0]), slice(x, x + ink.shape[1])
        strength = ink[..., None] * draw.uniform(FAINTEST, 1.0)
        pixels[place] += strength * (_color(pixels[place], draw) - pixels[place])
        mask[place][ink > INKED] = 1
    return pixels.round().astype(np.uint8), mask


def _written(part: str, draw: np.random.Generator) -> np.ndarray:
    """The ink of one digit from 0 to 1, scaled and turned."""
    inks = _inks(part)
    side = int(draw.integers(SMALLEST, LARGEST + 1))
    image = Image.fromarray(np.pad(inks[draw.integers(len(inks))], 1))
    image = image.resize((side, side), Image.Resampling.BICUBIC)
    image = image.rotate(draw.uniform(-SLANT, SLANT), Image.Resampling.BILINEAR)
    # Sharpened: what was eight pixels wide would else be a blur.
    return np.clip((np.asarray(image, np.float32) / 255 - 0.25) * 2, 0, 1)


def _color(behind: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """A color that differs from its background."""
    mean = behind.mean((0, 1))
    while True:
        color = draw.uniform(0, 255, 3).astype(np.float32)
        if np.abs(color - mean).mean() > DISTINCT:
            return color


@cache
def _photographs(part: str) -> list[np.ndarray]:
    files = sorted((PHOTOGRAPHS / part).glob("*.jpg"))
    return [np.asarray(Image.open(file).convert("RGB")) for file in files]


@cache
def _inks(part: str) -> np.ndarray:
    """Digits as ink (n, 8, 8) uint8: four fifths to train, one to test."""
    digits = load_digits()
    inks = (digits.images * 15.9375).astype(np.uint8)
    to_train, to_test = train_test_split(
        inks, test_size=0.2, stratify=digits.target, random_state=SEED
    )
    return to_train if part == "train" else to_test
