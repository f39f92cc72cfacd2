from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

from edgekit import data
from edgekit.errors import DataError
from edgekit.types import InputSpec, Preprocess
from edgekit.types.notes import SamplesTransposed

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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "b.png"):
        picture(tmp_path / "set" / "red" / name, RED)
    picture(tmp_path / "set" / "blue" / "deep" / "c.png", BLUE, size=(12, 8))
    return tmp_path


def test_class_folders_become_labels_in_order(folder: Path) -> None:
    dataset = load("set", folder)
    assert dataset.labels == ("blue", "red")
    assert dataset.targets.tolist() == [0, 1, 1]
    x, y = dataset[1]
    assert x.shape == (3, 4, 6)
    assert x[:, 0, 0].tolist() == list(RED)
    assert y == 1
    inputs, targets = dataset.arrays()
    assert inputs.shape == (3, 3, 4, 6)
    assert inputs[0, :, 2, 2].tolist() == list(BLUE)
    assert targets.tolist() == [0, 1, 1]


def test_color_order_follows_the_spec(folder: Path) -> None:
    bgr = load("set", folder, preprocess=Preprocess(scale=1, color="bgr"))
    assert bgr[1][0][:, 0, 0].tolist() == list(RED[::-1])
    gray = load("set", folder, input=InputSpec(shape=(1, 4, 6)))
    assert gray[1][0].shape == (1, 4, 6)
    assert gray[1][0][0, 0, 0] == Image.new("RGB", (1, 1), RED).convert("L").getpixel(
        (0, 0)
    )


@pytest.mark.parametrize("kernel", ["nearest", "bilinear", "bicubic"])
def test_images_are_resized_with_the_kernel(tmp_path: Path, kernel: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    (tmp_path / "set").mkdir()
    Image.fromarray(noise).save(tmp_path / "set" / "one.png")
    x, y = load("set", tmp_path, preprocess=Preprocess(scale=1, resize=kernel)).arrays()
    resample = getattr(Image.Resampling, kernel.upper())
    expected = np.asarray(Image.fromarray(noise).resize((6, 4), resample))
    np.testing.assert_array_equal(x[0], expected.transpose(2, 0, 1))
    assert y.tolist() == [-1]


def test_large_images_are_decoded_by_threads_to_the_same(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (5, 128, 128, 3), np.uint8)
    (tmp_path / "set").mkdir()
    for number, pixels in enumerate(noise):
        Image.fromarray(pixels).save(tmp_path / "set" / f"{number}.png")
    x, _ = load("set", tmp_path, input=InputSpec(shape=(3, 128, 128))).arrays()
    np.testing.assert_array_equal(x, noise.transpose(0, 3, 1, 2))


def test_folder_mistakes(folder: Path) -> None:
    assert "Did you mean 'set'?" in failure("sets", folder)
    (folder / "empty").mkdir()
    assert "No images in" in failure("empty", folder)
    (folder / "set" / "green").mkdir()
    assert "green has no images" in failure("set", folder)
    (folder / "set" / "green" / "bad.png").write_bytes(b"not a picture")
    assert "green/bad.png" in failure("set", folder)
    picture(folder / "set" / "loose.png", RED)
    assert "loose.png" in failure("set", folder)
    assert "1 or 3 channels" in failure("set", folder, input=InputSpec(shape=(4, 2, 2)))


def test_classes_must_be_those_of_the_training_data(folder: Path) -> None:
    message = failure("set", folder, labels=("blue", "pink"))
    assert "adds red" in message
    assert "lacks pink" in message
    assert load("set", folder, labels=("red", "blue")).targets.tolist() == [1, 0, 0]


def test_fingerprint_follows_content_and_preprocessing(folder: Path) -> None:
    dataset = load("set", folder)
    first = dataset.fingerprint()
    assert load("set", folder).fingerprint() == first
    other = load("set", folder, preprocess=Preprocess(scale=2))
    assert other.fingerprint() != first
    assert dataset.subset(np.array([0])).fingerprint() != first
    picture(folder / "set" / "red" / "a.png", BLUE)
    assert load("set", folder).fingerprint() != first


def test_archive_in_either_layout(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (5, 3, 4, 6), np.uint8)
    np.savez(tmp_path / "first.npz", x=x, y=np.arange(5)[:, None])
    np.savez(tmp_path / "last.npz", images=x.transpose(0, 2, 3, 1).astype(np.float64))
    first, last = load("first.npz", tmp_path), load("last.npz", tmp_path)
    np.testing.assert_array_equal(first.arrays()[0], last.arrays()[0])
    assert first.labels == ("0", "1", "2", "3", "4")
    assert not first.notes
    [note] = last.notes
    assert isinstance(note, SamplesTransposed)
    assert (last.targets == -1).all()
    assert not last.labeled


def test_archive_mistakes(tmp_path: Path) -> None:
    x = np.zeros((5, 3, 4, 6))

    def saved(**arrays: object) -> str:
        np.savez(tmp_path / "set.npz", **arrays)
        return failure("set.npz", tmp_path, labels=("a", "b"))

    assert "[3, 4, 7]" in saved(x=np.zeros((5, 3, 4, 7)))
    assert "5 samples but 4 labels" in saved(x=x, y=np.zeros(4))
    assert "has class 2" in saved(x=x, y=np.array([0, 1, 2, 0, 0]))
    assert "0.5" in saved(x=x, y=np.full(5, 0.5))
    assert "-2" in saved(x=x, y=np.full(5, -2))
    assert "numbers only" in saved(x=np.array([None] * 5))
    assert "pictures" in saved(pictures=x)
    assert "no samples" in saved(x=x[:0])
    assert "not numbers" in saved(x=x.astype(str))
    (tmp_path / "bad.npz").write_bytes(b"zip?")
    assert "bad.npz" in failure("bad.npz", tmp_path)
    (tmp_path / "set.csv").write_text("1,2")
    assert ".parquet" in failure("set.csv", tmp_path)


def encoded(color: tuple[int, int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (6, 4), color).save(buffer, "PNG")
    return buffer.getvalue()


def test_parquet_of_images_and_of_lists(tmp_path: Path) -> None:
    images = [
        {"bytes": encoded(RED), "path": None},
        {"bytes": encoded(BLUE), "path": None},
    ]
    table = pa.table({"image": images, "label": ["red", "blue"]})
    pyarrow.parquet.write_table(table, tmp_path / "images.parquet")
    dataset = load("images.parquet", tmp_path)
    assert dataset.labels == ("blue", "red")
    assert dataset.targets.tolist() == [1, 0]
    assert dataset[0][0][:, 0, 0].tolist() == list(RED)
    lists = np.arange(2 * 72).reshape(2, 3, 4, 6)
    table = pa.table({"x": lists.tolist(), "y": [1, 0]})
    pyarrow.parquet.write_table(table, tmp_path / "lists.parquet")
    np.testing.assert_array_equal(load("lists.parquet", tmp_path).arrays()[0], lists)


def test_parquet_mistakes(tmp_path: Path) -> None:
    table = pa.table({"image": [encoded(RED), b"broken"], "label": [0, 1]})
    pyarrow.parquet.write_table(table, tmp_path / "set.parquet")
    assert "row 1 of" in failure("set.parquet", tmp_path)
    (tmp_path / "bad.parquet").write_bytes(b"PAR?")
    assert "bad.parquet" in failure("bad.parquet", tmp_path)


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


@pytest.fixture
def loader(tmp_path: Path) -> Path:
    (tmp_path / "loader.py").write_text(LOADER)
    return tmp_path


@pytest.mark.parametrize("name", ["arrays", "pairs", "inputs"])
def test_function_may_return_arrays_or_a_dataset(loader: Path, name: str) -> None:
    dataset = load(f"loader.py:{name}", loader)
    np.testing.assert_array_equal(
        dataset.arrays()[0], np.arange(3 * 72).reshape(3, 3, 4, 6)
    )
    assert dataset.targets.tolist() == ([-1] * 3 if name == "inputs" else [2, 1, 0])


def test_sequence_too_large_for_memory_is_read_when_asked(
    loader: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = load("loader.py:pairs", loader)
    monkeypatch.setattr("edgekit.data.sequence.MEMORY", 0)
    dataset = load("loader.py:pairs", loader)
    np.testing.assert_array_equal(dataset.arrays()[0], whole.arrays()[0])
    assert dataset.targets.tolist() == whole.targets.tolist()
    assert len(dataset.fingerprint()) == 64


def test_function_mistakes(loader: Path) -> None:
    assert "loader.py:30: RuntimeError: the disk is gone" in failure(
        "loader.py:breaks", loader
    )
    assert "Did you mean 'arrays'?" in failure("loader.py:array", loader)
    assert "no samples" in failure("loader.py:nothing", loader)
    assert "returned generator" in failure("loader.py:generator", loader)
