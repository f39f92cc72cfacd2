"""Metadata of TFLite files."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from edgekit.runtimes.litert.metadata import NAME, describe, entry
from tests.runtime.runtimes.test_contract import CONTRACT, field


def test_tflite_holds_the_metadata_of_its_tools_and_the_labels(tflite: Path) -> None:
    content = tflite.read_bytes()
    metadata = entry(content, NAME)
    assert metadata is not None
    assert metadata[4:8] == b"M001"
    with zipfile.ZipFile(tflite) as archive:
        assert archive.read("labels.txt").decode() == "cat\nnaïve dog\n"


def test_the_metadata_states_how_to_normalize_and_which_file_labels() -> None:
    """Read field by field, as the published schema lays them out."""
    from flatbuffers import encode, number_types, packer, table

    content = bytearray(describe(CONTRACT))
    root = encode.Get(packer.uoffset, content, 0)

    def at(position: int) -> Any:
        return table.Table(content, position)

    def child(one: Any, slot: int, index: int | None = None) -> Any:
        offset = field(one, slot)
        assert offset
        if index is None:
            return at(one.Indirect(one.Pos + offset))
        return at(one.Indirect(one.Vector(offset) + 4 * index))

    def text(one: Any, slot: int) -> str:
        return one.String(field(one, slot) + one.Pos).decode()

    def floats(one: Any, slot: int) -> list[float]:
        offset = field(one, slot)
        start = one.Vector(offset)
        return [
            one.Get(number_types.Float32Flags, start + 4 * n)
            for n in range(one.VectorLen(offset))
        ]

    whole = at(root)
    assert (text(whole, 0), text(whole, 1)) == ("tiny", "EdgeKit 0.1.0")
    graph = child(whole, 3, 0)
    given = child(graph, 2, 0)
    assert text(given, 0) == "x"
    options = child(child(given, 4, 0), 1)
    assert floats(options, 0) == [127.5]  # on values from 0 to 255
    assert floats(options, 1) == [63.75]
    file = child(child(graph, 3, 0), 6, 0)
    assert text(file, 0) == "labels.txt"
    assert file.Get(number_types.Int8Flags, file.Pos + field(file, 2)) == 2
