"""Folders of texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit import data
from edgekit.errors import DataError
from tests import texts
from tests.texts import numbers


def write(place: Path, content: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(content, encoding="utf-8")


def test_a_folder_a_class(tmp_path: Path) -> None:
    asked = texts.request(tmp_path)
    write(tmp_path / "train/bad/1.txt", "not good")
    write(tmp_path / "train/good/1.txt", "good\nfilm")
    write(tmp_path / "train/good/2.txt", "")
    found = data.read("train", root=tmp_path, request=asked)
    feeds, targets = found.feeds()
    assert found.labels == ("bad", "good") and targets.tolist() == [0, 1, 1]
    assert feeds[0].tolist() == [
        numbers("not", "good"), numbers("good", "film"), numbers(),
    ]  # fmt: skip


def test_texts_without_classes(tmp_path: Path) -> None:
    asked = texts.request(tmp_path)
    write(tmp_path / "calibration/1.txt", "good film")
    found = data.read("calibration", root=tmp_path, request=asked)
    assert found.feeds()[0][0].tolist() == [numbers("good", "film")]
    assert not found.labeled


def test_what_a_folder_cannot_be(tmp_path: Path) -> None:
    asked = texts.request(tmp_path)
    write(tmp_path / "both/good/1.txt", "good")
    write(tmp_path / "both/2.txt", "bad")
    with pytest.raises(DataError, match=r"texts beside them, such as 2\.txt"):
        data.read("both", root=tmp_path, request=asked)
    (tmp_path / "odd/good").mkdir(parents=True)
    (tmp_path / "odd/good/1.txt").write_bytes(b"good\n\xff\xfe")
    with pytest.raises(DataError, match=r"1\.txt \(line 2 is not UTF-8 text\)"):
        data.read("odd", root=tmp_path, request=asked)
    values = texts.request(tmp_path, kind="regression")
    write(tmp_path / "classes/good/1.txt", "good")
    with pytest.raises(DataError, match="has class folders, and regression takes"):
        data.read("classes", root=tmp_path, request=values)
