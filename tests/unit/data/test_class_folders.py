"""Folders with a subfolder a class."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.data.class_folders import files_in, labeled_files
from edgekit.data.request import Request
from edgekit.errors import DataError
from edgekit.types import InputSpec, Preprocess


def request(kind: str = "classification") -> Request:
    return Request.of_one(InputSpec(shape=(2,)), Preprocess(scale=1), kind=kind)


def test_classes_are_the_names_of_folders(tmp_path: Path) -> None:
    for name in ("b/2.txt", "a/1.TXT", "a/.hidden.txt", "a/other.md", "_left/out.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    files, labels = labeled_files(tmp_path, (".txt",), "texts", request())
    assert [file.name for file in files] == ["1.TXT", "2.txt"] and labels == ["a", "b"]
    assert len(files_in(tmp_path, (".txt",), deep=True)) == 3
    with pytest.raises(DataError, match="has class folders, and regression takes"):
        labeled_files(tmp_path, (".txt",), "texts", request("regression"))
    (tmp_path / "loose.txt").write_text("x")
    with pytest.raises(DataError, match="both class folders and texts beside them"):
        labeled_files(tmp_path, (".txt",), "texts", request())


def test_loose_files_have_no_classes(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    files, labels = labeled_files(tmp_path, (".txt",), "texts", request("regression"))
    assert [file.name for file in files] == ["a.txt"] and labels is None
