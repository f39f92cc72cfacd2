"""Data sets of every kind with three bad samples: one error names all, and nothing is left."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

from edgekit import data
from edgekit.data.check_images import check_images
from edgekit.data.request import Request, RequestedInput
from edgekit.errors import DataError
from edgekit.types import InputSpec, Preprocess
from tests import texts
from tests.conftest import Run
from tests.unit.test_cli import change

IMAGE = InputSpec(shape=(3, 4, 4))


def picture(path: Path, value: int = 90) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 4, 3), value, np.uint8)).save(path)


def mask(path: Path, value: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 4), value, np.uint8)).save(path)


def said(place: str, root: Path, **how: Any) -> str:
    """The error of a data set of images or arrays."""
    with pytest.raises(DataError) as caught:
        loaded = data.load(
            place,
            root=root,
            input=how.pop("input", IMAGE),
            preprocess=Preprocess(),
            **how,
        )
        check_images([loaded])
    return checked(caught.value)


def checked(error: DataError) -> str:
    assert error.exit_code == 2 and "\n" not in str(error)
    return str(error)


def masked(root: Path) -> Path:
    for number in range(6):
        picture(root / f"set/images/{number}.png")
        mask(root / f"set/masks/{number}.png")
    return root / "set"


def test_masks_that_are_missing_torn_or_colored_and_a_torn_image(
    tmp_path: Path,
) -> None:
    folder = masked(tmp_path)
    (folder / "masks/1.png").unlink()
    (folder / "masks/2.png").write_bytes(b"torn")
    picture(folder / "masks/3.png")
    (folder / "images/4.png").write_bytes(b"torn")
    error = said("set", tmp_path, kind="segmentation")
    assert "Cannot read 4 images or masks: " in error
    assert "1.png has no mask " in error
    assert "2.png (not an image" in error
    assert "3.png has colors (mode RGB)" in error and "4.png (" in error
    assert "5.png" not in error


def test_masks_of_classes_that_are_none(tmp_path: Path) -> None:
    folder = masked(tmp_path)
    for number in (1, 3, 4):
        mask(folder / f"masks/{number}.png", 7)
    error = said("set", tmp_path, kind="segmentation", labels=("a", "b"))
    assert "3 masks: 1 (" in error and "; 3 (" in error and "; 4 (" in error
    assert "class 7" in error


def test_a_gray_pixel_of_a_black_and_white_mask(tmp_path: Path) -> None:
    folder = masked(tmp_path)
    for number in range(6):
        mask(folder / f"masks/{number}.png", 255)
    for number in (0, 2, 5):
        mask(folder / f"masks/{number}.png", 100)
    error = said("set", tmp_path, kind="binary-segmentation")
    assert "3 masks: 0 (" in error and "; 2 (" in error and "; 5 (" in error


def test_class_folders_without_images(tmp_path: Path) -> None:
    for name in "abcd":
        (tmp_path / "set" / name).mkdir(parents=True)
    picture(tmp_path / "set/b/1.png")
    error = said("set", tmp_path)
    assert "class folders " in error
    assert all(f"set/{name}" in error for name in "acd") and "set/b" not in error


def test_images_of_two_sets_and_of_a_table(tmp_path: Path) -> None:
    picture(tmp_path / "good.png")
    good = (tmp_path / "good.png").read_bytes()
    cells = [good, b"torn", good, b"", good, good[:40]]
    table = pa.table({"image": cells, "label": [0, 1] * 3})
    pyarrow.parquet.write_table(table, tmp_path / "set.parquet")
    error = said("set.parquet", tmp_path)
    assert "3 images: " in error
    assert all(f"in row {row} of" in error for row in (1, 3, 5))


def test_rows_without_an_image_or_of_another_length(tmp_path: Path) -> None:
    picture(tmp_path / "good.png")
    good = (tmp_path / "good.png").read_bytes()
    table = pa.table(
        {"image": [None, good, None, good, None], "label": [0, 1] * 2 + [0]}
    )
    pyarrow.parquet.write_table(table, tmp_path / "set.parquet")
    assert "in rows 0, 2 and 4" in said("set.parquet", tmp_path)
    rows = [[1.0] * 8] * 7
    for row in (1, 3, 6):
        rows[row] = [1.0] * (row + 1)
    table = pa.table({"x": rows, "y": [0] * 7})
    pyarrow.parquet.write_table(table, tmp_path / "set.parquet")
    error = said("set.parquet", tmp_path, input=InputSpec(shape=(8,)))
    assert "rows 1, 3 and 6" in error


def test_torn_files_of_a_table(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    table = pa.table({"x": [[1.0] * 8], "y": [0]})
    for number in range(5):
        pyarrow.parquet.write_table(table, tmp_path / f"set/{number}.parquet")
    for number in (0, 2, 4):
        (tmp_path / f"set/{number}.parquet").write_bytes(b"PAR1")
    error = said("set", tmp_path, input=InputSpec(shape=(8,)))
    assert "3 files: " in error
    assert all(f"{number}.parquet (" in error for number in (0, 2, 4))


ARRAYS: dict[str, tuple[Sequence[Any], dict[str, Any], str]] = {
    "NaN": ([np.nan, 1, np.inf, 1, -np.inf], {}, "in samples 0, 2 and 4"),
    "tokens": ([-1, 1, -2, 1, -3], {"dtype": "int64"}, "in samples 0, 2 and 4"),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_values_of_arrays(name: str, tmp_path: Path) -> None:
    values, form, expected = ARRAYS[name]
    dtype = np.int64 if form else np.float32
    x = np.repeat(np.array(values, dtype)[:, None], 8, 1)
    np.savez(tmp_path / "set.npz", x=x, y=np.zeros(5, int))
    assert expected in said("set.npz", tmp_path, input=InputSpec(shape=(8,), **form))


LABELS: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "fractions": ("classification", [0, 0.5, 1, -3, 2**40], {}),
    "too high": ("classification", [0, 3, 1, 4, 5], {"labels": ("a", "b")}),
    "no number": ("classification", [0, np.nan, 1, np.inf, np.nan], {}),
    "yes or no": ("multi-label", [[0], [3], [1], [7], [2]], {}),
    "anomalies": ("anomaly-detection", [0, 2, 1, 3, 2], {}),
    "values": ("regression", [[0], [np.inf], [1], [-np.inf], [np.inf]], {}),
    "pixels": (
        "segmentation",
        np.tile(np.array([0, -5, 1, -9, -3])[:, None, None], (4, 4)),
        {},
    ),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels_of_arrays(name: str, tmp_path: Path) -> None:
    kind, labels, how = LABELS[name]
    x = np.zeros((5, 3, 4, 4), np.float32)
    np.savez(tmp_path / "set.npz", x=x, y=np.asarray(labels))
    assert "samples 1, 3 and 4" in said("set.npz", tmp_path, kind=kind, **how)


def of_texts(place: str, root: Path) -> str:
    with pytest.raises(DataError) as caught:
        data.read(place, root=root, request=texts.request(root))
    return checked(caught.value)


def test_texts_that_are_not_utf8(tmp_path: Path) -> None:
    for number in range(6):
        file = tmp_path / f"set/good/{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"good\n\xff" if number % 2 else b"good")
    error = of_texts("set", tmp_path)
    assert "3 texts: " in error
    assert all(f"{n}.txt (line 2 is not UTF-8 text)" in error for n in (1, 3, 5))


TABLES: dict[str, tuple[bytes, str]] = {
    "cells": (
        b"text,label\na,1\nb,2,3\nc\nd,1\ne,1,1,1\n",
        "line 3 (3); line 4 (1); line 6 (4)",
    ),
    "bytes": (b"text,label\n\xff,1\nb,0\n\xfe,1\nc,0\n\xff,0\n", "lines 2, 4 and 6"),
    "no label": (b"text,label\na,\nb,x\nc,y\nd,1\ne,\n", "rows 0 and 4"),
}


@pytest.mark.parametrize("name", TABLES)
def test_rows_of_texts(name: str, tmp_path: Path) -> None:
    content, expected = TABLES[name]
    (tmp_path / "set.csv").write_bytes(content)
    assert expected in of_texts("set.csv", tmp_path)


def test_texts_that_are_missing_in_a_table(tmp_path: Path) -> None:
    cells = ["good", None, "bad", None, None]
    table = pa.table({"text": cells, "label": [0, 1, 0, 1, 0]})
    pyarrow.parquet.write_table(table, tmp_path / "set.parquet")
    assert "rows 1, 3 and 4" in of_texts("set.parquet", tmp_path)


def yolo(home: Path) -> None:
    for number in range(6):
        picture(home / f"images/{number}.png")
        (home / "labels").mkdir(exist_ok=True)
        text = "0 0.5 0.5 0.4" if number % 2 else "0 0.5 0.5 0.4 0.4"
        (home / f"labels/{number}.txt").write_text(text)


def voc(home: Path) -> None:
    for number in range(6):
        picture(home / f"JPEGImages/{number}.png")
        (home / "Annotations").mkdir(exist_ok=True)
        text = "<annotation" if number % 2 else "<annotation></annotation>"
        (home / f"Annotations/{number}.xml").write_text(text)


def coco(home: Path) -> None:
    for number in range(6):
        picture(home / f"{number}.png")
    content = {
        "images": [{"id": n, "file_name": f"{n}.png"} for n in range(6)],
        "categories": [{"id": 1, "name": "cup"}],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 1, "bbox": [9 * (n % 2), 0, 2, 2]}
            for n in range(6)
        ],
    }
    (home / "annotations.json").write_text(json.dumps(content))


@pytest.mark.parametrize("write", [yolo, voc, coco])
def test_boxes(write: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    write(tmp_path / "set")
    error = said("set", tmp_path, kind="detection")
    assert "3 images" in error
    assert all(f"{n}." in error for n in (1, 3, 5)) and "2.png" not in error


def test_torn_images_are_named_with_wrong_boxes(tmp_path: Path) -> None:
    yolo(tmp_path / "set")
    torn = tmp_path / "set/images/2.png"
    Image.effect_noise((64, 64), 50).save(torn)
    torn.write_bytes(torn.read_bytes()[:1000])
    error = said("set", tmp_path, kind="detection")
    assert "4 images" in error and "2.png (" in error


def test_parts_of_several_inputs(tmp_path: Path) -> None:
    inputs = tuple(
        RequestedInput(spec=InputSpec(name=name, shape=(3,)), preprocess=Preprocess())
        for name in "abcd"
    )
    (tmp_path / "set").mkdir()
    for name in "abcd":
        np.save(tmp_path / f"set/{name}.npy", np.zeros((2, 3), np.float32))
    (tmp_path / "set/a.npy").write_bytes(b"torn")
    np.save(tmp_path / "set/c.npy", np.full((2, 3), np.nan, np.float32))
    (tmp_path / "set/y.npy").write_bytes(b"torn")
    with pytest.raises(DataError) as caught:
        data.read("set", root=tmp_path, request=Request(inputs=inputs, labels=None))
    error = checked(caught.value)
    assert "Cannot read 3 parts of " in error
    assert all(f"{name} (" in error for name in ("a", "c", "y.npy"))


def test_a_build_of_three_bad_masks_leaves_nothing(mine: Path, run: Run) -> None:
    folder = masked(mine)
    for number in (1, 3, 4):
        (folder / f"masks/{number}.png").unlink()
    change(mine / "edgekit.toml", '"data/train"', '"set"')
    change(
        mine / "edgekit.toml", "[budget]", '[task]\nkind = "segmentation"\n\n[budget]'
    )
    code, _, error = run("build", "-t", "host", "-q")
    assert code == 2 and "Traceback" not in error
    assert all(f"{number}.png has no mask" in error for number in (1, 3, 4))
    assert not (mine / "build").exists()
