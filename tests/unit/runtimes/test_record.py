"""Records against their facts: files of each format, and the modules of the folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.runtimes import registry
from edgekit.runtimes.record import HEAD
from tests.runtime.conftest import WRITERS


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_a_file_is_known_by_its_content(name: str, tmp_path: Path) -> None:
    write, file = WRITERS[name]
    head = write(tmp_path / file).path.read_bytes()[:HEAD]
    reading = {each for each, one in registry.known().items() if one.recognizes(head)}
    assert reading == set(registry.readers(name))


@pytest.mark.parametrize(
    "head",
    [
        *(
            b"",
            b"TFL3",
            b"\x00" * HEAD,
            b"<html></html>",
            b"\x89PNG\r\n\x1a\n",
            b"PK\x03",
        ),
        *(b"\x08", b"\x08\x0a\x12\x04", b"\xff" * 40, b"[model]\nsource = 1\n"),
    ],
)
def test_what_is_none_of_them_is_not_taken_for_one(head: bytes) -> None:
    cut = {b"\x08", b"\x08\x0a\x12\x04"}
    reading = {each for each, one in registry.known().items() if one.recognizes(head)}
    assert reading == ({"onnxruntime"} if head in cut else set())


def test_a_part_is_of_the_folder_or_of_the_runtime_whose_files_it_runs() -> None:
    own, other = registry.get("litert"), registry.get("tflite-runtime")
    assert other.exporter is own.exporter
    assert other.folder != own.folder
    with pytest.raises(ImportError, match="runtime litert has no abacus"):
        own.part("abacus")


def test_colors_are_distinct() -> None:
    colors = [one.color for one in registry.known().values()]
    assert len(set(colors)) == len(colors)
