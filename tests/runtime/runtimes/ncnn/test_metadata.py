"""A contract behind the layers of an ncnn file, read back."""

from __future__ import annotations

from pathlib import Path

from edgekit.agent.runtimes.ncnn import MARK, layers_of, trailer
from edgekit.runtimes.ncnn import metadata
from tests.runtime.runtimes.conftest import reads_back
from tests.runtime.runtimes.ncnn.relu import ENDS, LAYERS


def test_the_text_is_read_back_and_the_layers_stay(tmp_path: Path) -> None:
    path = tmp_path / "model.param"
    path.write_text(LAYERS)
    reads_back(metadata, path)
    assert layers_of((tmp_path / "again-model.param").read_text()) == LAYERS


def test_shapes_stay_beside_the_contract() -> None:
    text = metadata.with_trailer(LAYERS, ENDS)
    again = metadata.with_trailer(text, {**trailer(text), "labels": ["ça", "a\nb"]})
    assert trailer(again) == {**ENDS, "labels": ["ça", "a\nb"]}
    assert again.count(MARK) == 1 and layers_of(again) == LAYERS


def test_a_damaged_line_is_no_trailer() -> None:
    for line in ("", f"{MARK}{{no\n", f"{MARK}[1]\n", "# other\n"):
        assert trailer(f"{LAYERS}{line}") == {}
