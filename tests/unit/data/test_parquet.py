"""Parquet files as data sets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from edgekit import data
from edgekit.data.request import Request
from edgekit.errors import DataError
from edgekit.types import InputSpec, Preprocess
from tests.unit.data.test_load import BLUE, RED, encoded, failure, load


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


AGES = "age,smokes,city,label\n20,true,rome,1\n30.5,false,oslo,0\n"


def test_columns_of_numbers_and_truths_are_one_input(tmp_path: Path) -> None:
    (tmp_path / "set.csv").write_text(AGES)
    request = replace(
        Request.of_one(InputSpec(shape=(2,)), Preprocess(scale=10)),
        columns=("smokes", "age"),
    )
    found = data.read("set.csv", root=tmp_path, request=request)
    x, y = found.arrays()
    np.testing.assert_allclose(x, [[0.1, 2], [0, 3.05]], rtol=1e-6)
    assert y.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("table", "columns", "message"),
    [
        (AGES, (), r'\[data\] columns = \["age", "smokes"\]'),
        (
            AGES,
            ("age", "size"),
            "has no column size, which .* it has age, smokes, city",
        ),
        (
            AGES,
            ("age", "city"),
            r"holds string, not numbers. Its texts are classes: \[data\] categories = \{ city = "
            r'\["oslo", "rome"\] \}',
        ),
        (AGES, ("age",), r"samples of shape \[1\], but \[model\] input is \[2\]"),
        (AGES.replace("20", ""), ("age", "smokes"), "'age' is empty in row 0"),
    ],
)
def test_columns_that_are_no_input(
    tmp_path: Path, table: str, columns: tuple[str, ...], message: str
) -> None:
    (tmp_path / "set.csv").write_text(table)
    one = Request.of_one(InputSpec(shape=(2,)), Preprocess(scale=1))
    with pytest.raises(DataError, match=message):
        data.read("set.csv", root=tmp_path, request=replace(one, columns=columns))


CITIES = (("city", ("rome", "oslo", "bern")),)


def of_cities(
    tmp_path: Path, table: str, input: InputSpec, columns: tuple[str, ...]
) -> np.ndarray:
    (tmp_path / "set.csv").write_text(table)
    one = Request.of_one(input, Preprocess(scale=1))
    request = replace(one, columns=columns, categories=CITIES)
    return data.read("set.csv", root=tmp_path, request=request).arrays()[0]


def test_texts_are_classes_in_the_given_order(tmp_path: Path) -> None:
    x = of_cities(tmp_path, AGES, InputSpec(shape=(4,)), ("city", "age"))
    assert x.tolist() == [[1, 0, 0, 20], [0, 1, 0, 30.5]] and x.dtype == np.float32


def test_texts_are_numbers_of_an_input_of_tokens(tmp_path: Path) -> None:
    tokens = InputSpec(shape=(2,), dtype="int64")
    x = of_cities(tmp_path, AGES, tokens, ("smokes", "city"))
    assert x.tolist() == [[1, 0], [0, 1]] and x.dtype == np.int64
    with pytest.raises(
        DataError, match="'age' holds double, and the network takes whole"
    ):
        of_cities(tmp_path, AGES, tokens, ("age", "city"))


def test_codes_are_classes_too(tmp_path: Path) -> None:
    (tmp_path / "set.csv").write_text("age,code,label\n1,7,0\n2,12,1\n")
    one = Request.of_one(InputSpec(shape=(2,)), Preprocess(scale=1))
    request = replace(one, columns=("code",), categories=(("code", ("12", "7")),))
    found = data.read("set.csv", root=tmp_path, request=request)
    assert found.arrays()[0].tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    ("table", "columns", "message"),
    [
        (
            AGES.replace("oslo", "paris"),
            ("city", "age"),
            "column 'city' has 'paris' in row 1, which is none of rome, oslo, bern",
        ),
        (
            AGES.replace("oslo", ""),
            ("city", "age"),
            "has '' in row 1|is empty in row 1",
        ),
        (
            AGES,
            ("age", "smokes"),
            r"\[data\] categories have city, which \[data\] columns do not",
        ),
    ],
)
def test_texts_that_are_no_class(
    tmp_path: Path, table: str, columns: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        of_cities(tmp_path, table, InputSpec(shape=(4,)), columns)


def test_labels_are_texts(tmp_path: Path) -> None:
    table = "age,label\n1,well\n2,ill\n3,well\n"
    (tmp_path / "set.csv").write_text(table)
    one = Request.of_one(InputSpec(shape=(1,)), Preprocess(scale=1))
    found = data.read("set.csv", root=tmp_path, request=replace(one, columns=("age",)))
    assert found.labels == ("ill", "well") and found.targets.tolist() == [1, 0, 1]
