"""The recordings in train.npz and test.npz, and training ones in versions of their own.

A fifth of the training recordings is held back as it is, to choose an epoch by: those of some
voices, as the test recordings have voices of their own.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

HERE = Path(__file__).parent
SEED = 0
PARTS = 5
"""One of which is held back."""
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
    """Levels (6600, 24, 40) and words (6600,): three versions of each recording."""
    x, y = recordings()
    draw = np.random.default_rng(SEED)
    versions = [changed(x, draw) for _ in range(VERSIONS)]
    return np.concatenate(versions), np.tile(y, VERSIONS)


def validation() -> Samples:
    """Levels (560, 24, 40) and words (560,), in voices that are not trained on."""
    _, x, _, y = _split()
    return x, y


def test() -> Samples:
    """Levels (600, 24, 40) and words (600,), in voices that are not in the training data."""
    return _read("test")


def recordings() -> Samples:
    """Training recordings as they are: levels (2200, 24, 40) and words (2200,)."""
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
    """Recordings to train on, those held back, and the labels of each."""
    with np.load(HERE / "train.npz") as archive:
        x, y, voice = archive["x"], archive["y"], archive["voice"]
    # Nobody speaks in silence: each of those recordings is on its own.
    alone = [str(number) for number in range(len(voice))]
    parts = StratifiedGroupKFold(PARTS, shuffle=True, random_state=SEED)
    train, held = next(parts.split(x, y, np.where(voice == "", alone, voice)))
    return x[train], x[held], y[train], y[held]


def _read(part: str) -> Samples:
    with np.load(HERE / f"{part}.npz") as archive:
        return archive["x"], archive["y"]
