"""Folders with an entry for each input of a network."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.data.load import read
from edgekit.data.request import Request, RequestedInput
from edgekit.errors import DataError
from edgekit.types import InputSpec, Preprocess

REQUEST = Request(
    inputs=(
        RequestedInput(
            spec=InputSpec(name="image", shape=(1, 2, 2)), preprocess=Preprocess()
        ),
        RequestedInput(
            spec=InputSpec(name="meta", shape=(3,)), preprocess=Preprocess(scale=2)
        ),
    ),
    labels=None,
)
META = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "train"
    (place / "image").mkdir(parents=True)
    for number in range(2):
        image = Image.new("L", (2, 2), 51 * (number + 1))
        image.save(place / "image" / f"{number}.png")
    np.save(place / "meta.npy", META)
    np.save(place / "labels.npy", np.array([1, 0]))
    return place


def test_images_and_arrays_lie_beside_each_other(folder: Path) -> None:
    found = read("train", root=folder.parent, request=REQUEST)
    (image, meta), targets = found.feeds()
    np.testing.assert_allclose(image[:, 0, 0, 0], [0.2, 0.4], rtol=1e-6)
    np.testing.assert_array_equal(meta, META / 2)
    assert targets.tolist() == [1, 0]


def test_an_entry_that_is_missing_or_short_is_named(folder: Path) -> None:
    np.save(folder / "meta.npy", META[:1])
    with pytest.raises(DataError, match="1 samples of one input and 2 of another"):
        read("train", root=folder.parent, request=REQUEST)
    (folder / "meta.npy").unlink()
    with pytest.raises(DataError, match=r"neither a folder meta .* nor meta\.npy"):
        read("train", root=folder.parent, request=REQUEST)


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_files_hold_the_inputs_by_name(tmp_path: Path, suffix: str) -> None:
    images = np.full((2, 4), 255, np.uint8)
    path = tmp_path / f"set{suffix}"
    if suffix == ".npz":
        np.savez(path, image=images, meta=META, label=[0, 1])
    else:
        import pyarrow
        import pyarrow.parquet

        columns = {"meta": META.tolist(), "image": images.tolist(), "label": [0, 1]}
        pyarrow.parquet.write_table(pyarrow.table(columns), path)
    (image, meta), targets = read(path.name, root=tmp_path, request=REQUEST).feeds()
    assert image.shape == (2, 1, 2, 2) and (image == 1).all()
    np.testing.assert_array_equal(meta, META / 2)
    assert targets.tolist() == [0, 1]
