"""Lines of two to seven handwritten digits, put together from those that come with scikit-learn.

A line has digits of several sizes, slants and distances on paper of some brightness, with noise.
The digits of test lines are held out: no training line has them. Lines are always the same.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import affine_transform
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HEIGHT, WIDTH = 16, 96
MOST = 7
"""The most digits in a line."""
UNKNOWN = -1
"""The class of a place after the last digit."""
SEED = 0
HELD_OUT = 0.2

Samples = tuple[np.ndarray, np.ndarray]


def train(lines: int = 3000, seed: int = SEED) -> Samples:
    """Pixels (lines, 1, 16, 96) from 0 to 255, and classes (lines, 7): 1 + digit, then -1."""
    return _lines(_digits()[0], lines, seed)


def test(lines: int = 600) -> Samples:
    """The same for test lines, of digits that no training line has."""
    return _lines(_digits()[1], lines, SEED + 1)


def _digits() -> tuple[Samples, Samples]:
    """Ink (n, 8, 8) from 0 to 1 and the digits (n,): those to train on, those held out."""
    digits = load_digits()
    train_x, test_x, train_y, test_y = train_test_split(
        digits.images.astype(np.float32) / 16,
        digits.target,
        test_size=HELD_OUT,
        stratify=digits.target,
        random_state=SEED,
    )
    return (train_x, train_y), (test_x, test_y)


def _lines(digits: Samples, lines: int, seed: int) -> Samples:
    draw = np.random.default_rng(seed)
    images, known = digits
    pixels = np.zeros((lines, 1, HEIGHT, WIDTH), np.float32)
    classes = np.full((lines, MOST), UNKNOWN, np.int64)
    for line in range(lines):
        chosen = draw.integers(len(images), size=draw.integers(2, MOST + 1))
        pixels[line, 0] = _paper(_ink(images[chosen], draw), draw)
        classes[line, : len(chosen)] = 1 + known[chosen]
    return pixels, classes


def _ink(written: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Digits (n, 8, 8) side by side: (16, 96)."""
    line = np.zeros((HEIGHT, WIDTH), np.float32)
    sizes = draw.uniform(1.35, 1.7, len(written))
    gaps = draw.uniform(-1.5, 1.5, len(written))
    free = WIDTH - float((8 * sizes + gaps).sum())
    left, slant = draw.uniform(0, max(free, 1)), draw.uniform(-0.25, 0.25)
    for digit, size, gap in zip(written, sizes, gaps, strict=True):
        top = draw.uniform(0, HEIGHT - 8 * size)
        line = np.maximum(line, _placed(digit, top, left, size, slant))
        left += 8 * size + gap
    return line


def _placed(
    digit: np.ndarray, top: float, left: float, size: float, slant: float
) -> np.ndarray:
    """A line (16, 96) with one digit, `size` times as large, its top left corner there."""
    columns = slice(
        max(math.floor(left) - 4, 0), min(math.ceil(left + 8 * size) + 4, WIDTH)
    )
    width = max(columns.stop - columns.start, 0)
    # From a pixel of the line to one of the digit: rows, then columns, which lean.
    matrix = np.array([[1 / size, 0], [slant / size, 1 / size]])
    center = np.array([top + 4 * size, left + 4 * size - columns.start])
    offset = np.array([3.5, 3.5]) - matrix @ (center - 0.5)
    line = np.zeros((HEIGHT, WIDTH), np.float32)
    line[:, columns] = affine_transform(
        digit, matrix, offset, output_shape=(HEIGHT, width), order=1
    )
    return line


def _paper(ink: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Ink 0 to 1 as pixels 0 to 255, dark for paper and bright for ink, with noise."""
    paper, strength = draw.uniform(0, 60), draw.uniform(110, 195)
    noise = draw.normal(0, draw.uniform(2, 18), ink.shape)
    return np.clip(paper + strength * ink + noise, 0, 255).round()
