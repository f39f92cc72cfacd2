"""Images at another size than they are stored in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit import data
from edgekit.agent.serving.decode import pixels
from edgekit.data.dataset import Dataset
from edgekit.data.samples import Indexed, InMemory
from edgekit.types import InputSpec, Preprocess

VALUES = np.random.default_rng(0).integers(0, 256, (4, 3, 16, 16)).astype(np.uint8)
PREPARED = Preprocess(mean=(0.5,), std=(0.25,))


def load(root: Path, side: int) -> Dataset:
    spec = InputSpec(shape=(3, side, side))
    return data.load(".", root=root, input=spec, preprocess=PREPARED)


def held(samples: InMemory | Indexed, how: Preprocess = PREPARED) -> Dataset:
    return Dataset(samples, np.arange(4), labels=(), preprocess=how)


@pytest.mark.parametrize("filter", ["bilinear", "bicubic", "nearest"])
def test_arrays_become_what_the_device_makes_of_such_an_image(filter: str) -> None:
    how = Preprocess(scale=1.0, resize=filter)  # type: ignore[arg-type]
    smaller = held(InMemory(values=VALUES), how).at_size((12, 10))
    found, targets = smaller.arrays(np.array([2]))
    image = Image.fromarray(VALUES[2].transpose(1, 2, 0))
    assert np.array_equal(found[0], pixels(image, (3, 12, 10), "rgb", filter))
    assert targets.tolist() == [2]


def test_values_beyond_bytes_keep_their_range_and_dtype() -> None:
    values = VALUES.astype(np.float32) * 10
    smaller = held(InMemory(values=values), Preprocess(scale=1.0)).at_size((8, 8))
    raw = smaller.columns[0].samples.raw(np.arange(4))
    assert raw.dtype == np.float32 and raw.max() > 255
    exact = held(InMemory(values=VALUES), Preprocess(scale=0.1)).at_size((8, 8))
    assert np.allclose(raw, exact.arrays()[0], atol=11)  # these were rounded


def test_subsets_and_sequences_are_resized_as_they_are_read() -> None:
    sequence = Indexed(get=lambda n: VALUES[n], length=4, identity=b"x")
    smaller = held(sequence).subset(np.array([3, 1])).at_size((8, 8))
    whole = held(InMemory(values=VALUES)).at_size((8, 8))
    assert np.array_equal(smaller.arrays()[0], whole.arrays()[0][[3, 1]])
    assert smaller.fingerprint() != held(sequence).at_size((12, 12)).fingerprint()


def test_files_are_decoded_to_the_size(tmp_path: Path) -> None:
    for number, name in enumerate(("a", "b")):
        (tmp_path / name).mkdir()
        image = Image.fromarray(VALUES[number].transpose(1, 2, 0))
        image.resize((40, 30)).save(tmp_path / name / "1.png")
    given = load(tmp_path, 16)
    before = given.arrays()[0]
    smaller = given.at_size((8, 8))
    direct = load(tmp_path, 8)
    assert np.array_equal(smaller.arrays()[0], direct.arrays()[0])
    assert np.array_equal(given.arrays()[0], before), "the own size stays"
    assert smaller.fingerprint() == direct.fingerprint()
