"""A contract behind the end of an ExecuTorch program, read back."""

from __future__ import annotations

from pathlib import Path

from edgekit.agent.runtimes.executorch import MARK, program_of, trailer
from edgekit.runtimes.executorch import metadata
from tests.runtime.runtimes.conftest import reads_back


def test_the_text_is_read_back_and_the_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "model.pte"
    path.write_bytes(b"<\0\0\0ET12 a program")
    reads_back(metadata, path)
    with_text = (tmp_path / "again-model.pte").read_bytes()
    assert program_of(with_text) == path.read_bytes()


def test_names_stay_beside_the_contract() -> None:
    content = metadata.with_trailer(b"program", {"inputs": ["image"]})
    again = metadata.with_trailer(content, {**trailer(content), "labels": ["ça"]})
    assert trailer(again) == {"inputs": ["image"], "labels": ["ça"]}
    assert program_of(again) == b"program"


def test_a_damaged_end_is_no_trailer() -> None:
    long = (10**9).to_bytes(8, "little")
    for content in (MARK, b"x" + MARK, b"program" + long + MARK):
        assert trailer(content) == {} and program_of(content) == content
    wrong = b"program" + b"{no" + (3).to_bytes(8, "little") + MARK
    assert trailer(wrong) == {} and program_of(wrong) == b"program"
