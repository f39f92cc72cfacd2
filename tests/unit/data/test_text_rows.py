"""Texts in what someone holds, and in tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from edgekit import data
from edgekit.data.request import Request
from edgekit.data.sequence import Origin, read
from edgekit.data.text_rows import held_texts
from edgekit.errors import DataError
from tests import texts
from tests.texts import numbers

TEXTS, LABELS = ["good film", "not bad"], [1, 0]
PAIRS = [("good", "film"), ("bad", "films")]
ONE = [numbers("good", "film"), numbers("not", "bad")]
TWO = [numbers("good", "[SEP]", "film"), numbers("bad", "[SEP]", "film", "##s")]


class Held(TorchDataset[Any]):
    """A data set whose iteration never ends: its length alone ends it."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> Any:
        return self.items[number % len(self.items)]


@pytest.fixture(scope="module")
def request_(tmp_path_factory: pytest.TempPathFactory) -> Request:
    return texts.request(tmp_path_factory.mktemp("texts"))


def taken(held: Any, request: Request) -> tuple[list[list[int]], list[Any]]:
    found = read(held, request, Origin(name="held"))
    feeds, targets = found.feeds()
    assert {each.dtype for each in feeds} == {np.dtype("int64")}
    np.testing.assert_array_equal(feeds[1], feeds[0] != 0)
    return feeds[0].tolist(), targets.tolist()


@pytest.mark.parametrize(
    "held",
    [
        (TEXTS, LABELS),
        (np.array(TEXTS), np.array(LABELS)),
        (tuple(TEXTS), torch.tensor(LABELS)),
        list(zip(TEXTS, LABELS, strict=True)),
        {"text": TEXTS, "label": LABELS},
        [{"review": x, "labels": y} for x, y in zip(TEXTS, LABELS, strict=True)],
        Held([(x, y) for x, y in zip(TEXTS, LABELS, strict=True)]),
        DataLoader(Held(list(zip(TEXTS, LABELS, strict=True))), batch_size=2),
        DataLoader(Held(list(zip(TEXTS, LABELS, strict=True))), batch_size=1),
        DataLoader(Held([{"text": "good film", "y": 1}, {"text": "not bad", "y": 0}])),
    ],
    ids=lambda held: type(held).__name__,
)
def test_texts_become_tokens(held: Any, request_: Request) -> None:
    assert taken(held, request_) == (ONE, LABELS)


@pytest.mark.parametrize(
    "held",
    [
        (PAIRS, LABELS),
        (tuple(map(list, zip(*PAIRS, strict=True))), LABELS),
        list(zip(PAIRS, LABELS, strict=True)),
        {"premise": ["good", "bad"], "hypothesis": ["film", "films"], "y": LABELS},
        DataLoader(Held(list(zip(PAIRS, LABELS, strict=True))), batch_size=2),
        DataLoader(Held(list(zip(PAIRS, LABELS, strict=True))), batch_size=1),
        [{"text": a, "text_pair": b, "y": y}
         for (a, b), y in zip(PAIRS, LABELS, strict=True)],
    ],
    ids=lambda held: type(held).__name__,
)  # fmt: skip
def test_pairs_of_texts_have_types(held: Any, request_: Request) -> None:
    assert taken(held, request_) == (TWO, LABELS)
    feeds, _ = read(held, request_, Origin(name="held")).feeds()
    assert feeds[2][0].tolist() == [0, 0, 0, 1, 1] + [0] * 7


@pytest.mark.parametrize("held", [TEXTS, DataLoader(Held(TEXTS), batch_size=2)])
def test_texts_without_classes(held: Any, request_: Request) -> None:
    assert taken(held, request_) == (ONE, [-1, -1])


def test_classes_by_name(request_: Request) -> None:
    held = read(list(zip(TEXTS, ["+", "-"], strict=True)), request_, Origin(name="h"))
    assert held.labels == ("+", "-") and held.targets.tolist() == [0, 1]


def test_tokens_are_left_as_they_are(request_: Request) -> None:
    batch = {name: np.ones((2, texts.LENGTH), np.int64) for name in texts.NAMES}
    once = iter([(batch, np.array(LABELS))] * 2)
    found = read(once, request_, Origin(name="held"))
    assert len(found) == 4 and found.text is None, "nothing of an iterator is lost"


def test_a_text_among_tokens_and_missing_labels_are_refused(request_: Request) -> None:
    for held, message in (
        ([("good", 1), (3, 1)], "sample 1 is not a text"),
        ([("good", 1), ("bad",)], "with labels and without"),
        ((TEXTS, [1, 0, 1]), "2 texts and 3 labels"),
        ([("good", 1), (("bad", "film"), 0)], "pairs of texts, first in sample 1"),
    ):
        with pytest.raises(DataError, match=message):
            read(held, request_, Origin(name="held"))


def test_a_lone_surrogate_is_refused_in_one_line(request_: Request) -> None:
    with pytest.raises(DataError, match="Cannot read a text of held") as caught:
        read((["\ud800"], [0]), request_, Origin(name="held"))[0]
    assert "\n" not in str(caught.value)


def test_next_tokens_are_targets_up_to_the_padding(tmp_path: Path) -> None:
    asked = texts.request(tmp_path, kind="language-modeling")
    found = read(["good film"], asked, Origin(name="held"))
    ids = numbers("good", "film")
    assert found.targets[0].tolist() == [*ids[1:4], *[-1] * 9]


# --- files ------------------------------------------------------------------------------------


def test_tables_of_texts(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    asked = texts.request(tmp_path)
    table = pyarrow.table({"idx": [7, 8], "sentence": TEXTS, "label": LABELS})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    (tmp_path / "a.csv").write_text('label,text\n1,"good\n film"\n0,not bad\n')
    np.savez(tmp_path / "a.npz", text=np.array(TEXTS), labels=np.array(LABELS))
    for name in ("a.parquet", "a.csv", "a.npz"):
        feeds, targets = data.read(name, root=tmp_path, request=asked).feeds()
        assert (feeds[0].tolist(), targets.tolist()) == (ONE, LABELS), name
    (tmp_path / "b.tsv").write_text("sentence1\tsentence2\tlabel\ngood\tfilm\tyes\n")
    found = data.read("b.tsv", root=tmp_path, request=asked)
    assert found.feeds()[0][0].tolist() == TWO[:1] and found.labels == ("yes",)


def test_columns_of_a_table_are_named_or_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("title,body,label\ngood,film,1\n")
    with pytest.raises(DataError, match=r"title, body.*columns = "):
        data.read("a.csv", root=tmp_path, request=texts.request(tmp_path))
    named = texts.request(tmp_path, columns=("body",))
    found = data.read("a.csv", root=tmp_path, request=named)
    assert found.feeds()[0][0].tolist() == [numbers("film")]
    with pytest.raises(DataError, match=r"no texts 'text'.*it has title, body"):
        other = texts.request(tmp_path, columns=("text",))
        data.read("a.csv", root=tmp_path, request=other)


def test_texts_without_a_tokenizer_name_the_key(tmp_path: Path) -> None:
    from dataclasses import replace

    (tmp_path / "a.csv").write_text("text,label\ngood,1\n")
    plain = replace(texts.request(tmp_path), text=None)
    with pytest.raises(DataError, match=r"\[data.text\] tokenizer = 'FOLDER'"):
        data.read("a.csv", root=tmp_path, request=plain)
    for held in ((TEXTS, LABELS), TEXTS, [{"text": "a", "label": 1}]):
        with pytest.raises(DataError, match=r"\[data.text\] tokenizer = 'FOLDER'"):
            read(held, plain, Origin(name="held"))
    alone = texts.request(tmp_path, names=("tokens",))
    with pytest.raises(DataError, match=r"\[data.text\] tokenizer = 'FOLDER'"):
        read((TEXTS, LABELS), replace(alone, text=None), Origin(name="held"))


def test_a_damaged_table_is_one_line(tmp_path: Path) -> None:
    asked = texts.request(tmp_path)
    (tmp_path / "a.csv").write_bytes(b'text,label\n"good,1\n\xff\xfe,2,3\n')
    (tmp_path / "b.csv").write_text("text,label\n")
    for name in ("a.csv", "b.csv"):
        with pytest.raises(DataError) as caught:
            data.read(name, root=tmp_path, request=asked)
        assert "\n" not in str(caught.value) and name in str(caught.value)


def test_a_loader_may_yield_texts(tmp_path: Path) -> None:
    code = "def load():\n    yield 'good film', 1\n    yield 'not bad', 0\n"
    (tmp_path / "loader.py").write_text(code)
    asked = texts.request(tmp_path)
    feeds, targets = data.read("loader.py:load", root=tmp_path, request=asked).feeds()
    assert (feeds[0].tolist(), targets.tolist()) == (ONE, LABELS)


def test_arrays_by_name_hold_no_texts() -> None:
    arrays = {"tokens": np.ones((2, 3), np.int64), "labels": np.array([0, 1])}
    request = Request(inputs=(), labels=None, kind="classification")
    assert held_texts(arrays, request, "held") == (None, arrays)
