"""Texts beside numbers and images, by name, in every form that data come in."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from edgekit import data
from edgekit.data.dataset import Dataset
from edgekit.data.request import Request, RequestedInput
from edgekit.data.sequence import Origin, read
from edgekit.errors import DataError
from edgekit.types import InputSpec, Preprocess
from tests import texts
from tests.texts import numbers

TEXTS, LABELS = ["good film", "not bad"], [1, 0]
IDS = [numbers("good", "film"), numbers("not", "bad")]
META = [[1.0, 2.0], [3.0, 4.0]]
BESIDE = RequestedInput(
    spec=InputSpec(name="meta", shape=(2,)), preprocess=Preprocess(scale=2.0)
)
PICTURE = RequestedInput(
    spec=InputSpec(name="picture", shape=(1, 4, 4)), preprocess=Preprocess()
)
ROWS = [
    {"text": text, "meta": np.array(meta, np.float32), "label": label}
    for text, meta, label in zip(TEXTS, META, LABELS, strict=True)
]


@pytest.fixture(scope="module")
def request_(tmp_path_factory: pytest.TempPathFactory) -> Request:
    return texts.request(tmp_path_factory.mktemp("texts"), beside=(BESIDE,))


def check(found: Dataset) -> None:
    (meta, ids, mask, types), targets = found.feeds()
    np.testing.assert_array_equal(meta, np.array(META) / 2)
    assert ids.tolist() == IDS and targets.tolist() == LABELS
    np.testing.assert_array_equal(mask, ids != 0)
    assert not types.any() and meta.dtype == np.float32
    assert [how.contract.scale for how in found.columns] == [2.0, 1.0, 1.0, 1.0]
    assert found.text is not None and "meta" not in found.text.contract.inputs


@pytest.mark.parametrize(
    "held",
    [
        {"text": TEXTS, "meta": np.array(META), "label": LABELS},
        ({"text": TEXTS, "meta": torch.tensor(META)}, LABELS),
        ROWS,
        [({k: row[k] for k in ("meta", "text")}, row["label"]) for row in ROWS],
        iter(ROWS),
        DataLoader(ROWS, batch_size=2),  # type: ignore[arg-type]
        DataLoader(ROWS, batch_size=1),  # type: ignore[arg-type]
    ],
    ids=["columns", "columns, y", "rows", "(row, y)", "iterator", "batches", "ones"],
)
def test_texts_and_numbers_in_memory(held: Any, request_: Request) -> None:
    check(read(held, request_, Origin(name="held")))


def _parquet(root: Path) -> str:
    table = pyarrow.table({"text": TEXTS, "meta": META, "label": LABELS})
    pyarrow.parquet.write_table(table, root / "data.parquet")
    return "data.parquet"


def _npz(root: Path) -> str:
    np.savez(root / "data.npz", text=np.array(TEXTS), meta=META, y=LABELS)
    return "data.npz"


@pytest.mark.parametrize("write", [_parquet, _npz])
def test_texts_and_numbers_in_files(
    tmp_path: Path, request_: Request, write: Callable[[Path], str]
) -> None:
    check(data.read(write(tmp_path), root=tmp_path, request=request_))


def test_a_csv_has_a_number_a_row(tmp_path: Path) -> None:
    one = RequestedInput(
        spec=InputSpec(name="age", shape=(1,)), preprocess=Preprocess(scale=10.0)
    )
    request = texts.request(tmp_path, names=("words",), beside=(one,))
    (tmp_path / "data.csv").write_text("text,age,label\ngood film,20,1\nnot bad,30,0\n")
    (age, ids), y = data.read("data.csv", root=tmp_path, request=request).feeds()
    assert age.tolist() == [[2.0], [3.0]] and ids.tolist() == IDS
    assert y.tolist() == LABELS


def test_images_beside_texts(tmp_path: Path) -> None:
    request = texts.request(tmp_path, beside=(PICTURE,))
    pictures = [Image.new("L", (4, 4), color) for color in (0, 255)]
    rows = [
        {"picture": image, "text": text, "label": y}
        for image, text, y in zip(pictures, TEXTS, LABELS, strict=True)
    ]
    encoded = []
    for image in pictures:
        image.save(file := io.BytesIO(), "png")
        encoded.append({"bytes": file.getvalue(), "path": None})
    table = pyarrow.table({"text": TEXTS, "picture": encoded, "label": LABELS})
    pyarrow.parquet.write_table(table, tmp_path / "data.parquet")
    for found in (
        read(rows, request, Origin(name="held")),
        data.read("data.parquet", root=tmp_path, request=request),
    ):
        (picture, ids, *_), _ = found.feeds()
        assert picture.shape == (2, 1, 4, 4)
        assert picture[0].max() == 0 and picture[1].min() == 1
        assert ids.tolist() == IDS


def test_tokens_may_be_given_in_place_of_texts(request_: Request) -> None:
    given = {
        "meta": np.array(META, np.float32),
        "input_ids": np.array(IDS),
        "attention_mask": np.array(IDS) != 0,
        "token_type_ids": np.zeros((2, texts.LENGTH), np.int64),
    }
    given["attention_mask"] = given["attention_mask"].astype(np.int64)
    held = {**given, "label": np.array(LABELS)}
    (meta, ids, *_), y = read(held, request_, Origin(name="held")).feeds()
    np.testing.assert_array_equal(meta, np.array(META) / 2)
    assert ids.tolist() == IDS and y.tolist() == LABELS


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"text": TEXTS, "y": LABELS}, "has texts and no 'meta'"),
        (TEXTS, "Give a dictionary with these names"),
        ({"text": TEXTS, "meta": META[:1]}, r"2 texts beside 'meta' of shape \[1, 2\]"),
        ({"text": TEXTS, "meta": [1, 2]}, r"samples of shape \[\], but"),
        ([ROWS[0], {"text": "bad", "meta": [1.0], "label": 0}], "different shapes"),
        ([ROWS[0], ("bad", 1)], "sample 1 has no text by name"),
        ([ROWS[0], {"text": "bad", "label": 0}], "2 samples of one input|of another"),
    ],
)
def test_what_does_not_fit_is_one_line(
    held: Any, message: str, request_: Request
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read(held, request_, Origin(name="held"))
    assert "\n" not in str(caught.value)
