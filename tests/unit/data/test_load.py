from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit import data
from edgekit.errors import DataError
from edgekit.types import InputSpec, Preprocess

INPUT = InputSpec(shape=(3, 4, 6))
RAW = Preprocess(scale=1)
RED, BLUE = (200, 10, 30), (5, 10, 250)


def load(spec: str, root: Path, **changes: object) -> data.Dataset:
    return data.load(spec, root=root, **({"input": INPUT, "preprocess": RAW} | changes))


def failure(spec: str, root: Path, **changes: object) -> str:
    with pytest.raises(DataError) as caught:
        load(spec, root, **changes).arrays()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def picture(
    path: Path, color: tuple[int, int, int], size: tuple[int, int] = (6, 4)
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path)


def test_color_order_follows_the_spec(folder: Path) -> None:
    bgr = load("set", folder, preprocess=Preprocess(scale=1, color="bgr"))
    assert bgr[1][0][:, 0, 0].tolist() == list(RED[::-1])
    gray = load("set", folder, input=InputSpec(shape=(1, 4, 6)))
    assert gray[1][0].shape == (1, 4, 6)
    assert gray[1][0][0, 0, 0] == Image.new("RGB", (1, 1), RED).convert("L").getpixel(
        (0, 0)
    )


def test_fingerprint_follows_content_and_preprocessing(folder: Path) -> None:
    dataset = load("set", folder)
    first = dataset.fingerprint()
    assert load("set", folder).fingerprint() == first
    other = load("set", folder, preprocess=Preprocess(scale=2))
    assert other.fingerprint() != first
    assert dataset.subset(np.array([0])).fingerprint() != first
    picture(folder / "set" / "red" / "a.png", BLUE)
    assert load("set", folder).fingerprint() != first


def encoded(color: tuple[int, int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (6, 4), color).save(buffer, "PNG")
    return buffer.getvalue()


LOADER = """
import numpy as np
import torch

X = np.arange(3 * 72).reshape(3, 3, 4, 6)

class Pairs(torch.utils.data.Dataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return torch.from_numpy(X[index]), torch.tensor(2 - index)

def arrays():
    return X, np.array([2, 1, 0])

def inputs():
    return torch.from_numpy(X)

def pairs():
    return Pairs()

def nothing():
    return []

def generator():
    return (x for x in X)

def breaks():
    raise RuntimeError("the disk is gone")
"""
