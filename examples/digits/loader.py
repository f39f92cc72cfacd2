"""The digits that come with scikit-learn: 1,797 images of 8 x 8 pixels from 0 to 16.

The split is fixed and stratified: 1,437 images train, 360 are held out.
"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SEED = 0
HELD_OUT = 0.2

Samples = tuple[np.ndarray, np.ndarray]


def train() -> Samples:
    """Pixels (1437, 1, 8, 8) and digits (1437,)."""
    return _split()[0]


def test() -> Samples:
    """Pixels (360, 1, 8, 8) and digits (360,)."""
    return _split()[1]


def _split() -> tuple[Samples, Samples]:
    digits = load_digits()
    pixels = digits.images[:, None].astype(np.float32)
    train_x, test_x, train_y, test_y = train_test_split(
        pixels,
        digits.target,
        test_size=HELD_OUT,
        stratify=digits.target,
        random_state=SEED,
    )
    return (train_x, train_y), (test_x, test_y)
