"""The recordings in train.npz and test.npz, and training ones in versions of their own.

A tenth of the training recordings is held back as it is, to choose an epoch by.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split

HERE = Path(__file__).parent
SEED = 0
HELD_BACK = 0.1
VERSIONS = 3
SHIFT = 4
"""Frames by which a recording is moved at most."""
LOUDER = 1
"""Levels by which it becomes louder or softer at most."""
BANDS_GONE, FRAMES_GONE = 6, 8
"""Number of bands and frames that may be masked."""
MIDDLE = 5
"""The level that is put there."""

Samples = tuple[np.ndarray, np.ndarray]


def train() -> Samples:
    """Levels (7452, 24, 40) and words (7452,): three versions of each recording."""
    x, y = recordings()
    draw = np.random.default_rng(SEED)
    versions = [changed(x, draw) for _ in range(VERSIONS)]
    return np.concatenate(versions), np.tile(y, VERSIONS)


def validation() -> Samples:
    """Levels (276, 24, 40) and words (276,)."""
    _, x, _, y = _split()
    return x, y


def test() -> Samples:
    """Levels (600, 24, 40) and words (600,), in voices that are not in the training data."""
    return _read("test")


def recordings() -> Samples:
    """Training recordings as they are: levels (2484, 24, 40) and words (2484,)."""
    x, _, y, _ = _split()
    return x, y


def changed(x: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Each recording (n, bands, frames) moved, louder or softer, with some of it blotted out."""
    n, bands, frames = x.shape
    places = np.arange(frames) + draw.integers(-SHIFT, SHIFT + 1, (n, 1))
    x = np.take_along_axis(x, places.clip(0, frames - 1)[:, None], 2).astype(np.int16)
    heard = x > 0
    x = x + heard * draw.integers(-LOUDER, LOUDER + 1, (n, 1, 1))
    x = x + heard * draw.integers(-1, 2, x.shape)
    for axis, size, most in ((1, bands, BANDS_GONE), (2, frames, FRAMES_GONE)):
        first = draw.integers(size, size=(n, 1))
        width = draw.integers(most + 1, size=(n, 1))
        gone = (np.arange(size) >= first) & (np.arange(size) < first + width)
        x = np.where(np.expand_dims(gone, 3 - axis), MIDDLE, x)
    return x.clip(0, 255).astype(np.uint8)


def _split() -> tuple[np.ndarray, ...]:
    x, y = _read("train")
    parts: tuple[np.ndarray, ...] = tuple(
        train_test_split(x, y, test_size=HELD_BACK, stratify=y, random_state=SEED)
    )
    return parts


def _read(part: str) -> Samples:
    with np.load(HERE / f"{part}.npz") as archive:
        return archive["x"], archive["y"]
