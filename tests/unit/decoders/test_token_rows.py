from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from edgekit.decoders import token_rows
from edgekit.errors import DataError, ModelError
from tests.unit.decoders import folders

Written = Callable[[str], Path]


def test_texts_become_rows_that_begin_as_texts_do(
    written: Written, tmp_path: Path
) -> None:
    (tmp_path / "b.txt").write_text("cdefgh")
    (tmp_path / "a.txt").write_text("ab")
    rows = token_rows.read(written("llama"), [tmp_path], length=4)
    first = ord("a") - 32 + 4
    assert rows.dtype == torch.int64
    expected = [[1, first, first + 1, first + 2], [1, first + 3, first + 4, first + 5]]
    assert rows.tolist() == expected
    assert len(token_rows.read(written("llama"), [tmp_path], length=4, limit=1)) == 1


def test_text_in_pieces_is_the_same_text(
    written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "text.txt"
    file.write_text("some words of a text " * 20)
    whole = token_rows.read(written("llama"), [file], length=16)
    monkeypatch.setattr(token_rows, "_PIECE", 7)
    assert torch.equal(token_rows.read(written("llama"), [file], length=16), whole)


def test_the_last_rows_are_held_out() -> None:
    rows = torch.arange(20)[:, None]
    train, held_out = token_rows.split(rows)
    assert train.flatten().tolist() == list(range(18))
    assert held_out.flatten().tolist() == [18, 19]
    with pytest.raises(DataError, match="cannot be split"):
        token_rows.split(rows[:1])


def test_missing_and_short_texts_are_named(written: Written, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No text at"):
        token_rows.read(written("llama"), [tmp_path / "none.txt"], length=8)
    with pytest.raises(DataError, match=r"No \.txt file"):
        token_rows.read(written("llama"), [tmp_path], length=8)
    (tmp_path / "a.txt").write_text("abc")
    with pytest.raises(DataError, match="3 tokens, and a row has 7"):
        token_rows.read(written("llama"), [tmp_path], length=8)


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    folders.write(tmp_path / "decoder")
    (tmp_path / "a.txt").write_text("abc")
    with pytest.raises(ModelError, match=r"has no tokenizer\.json"):
        token_rows.read(tmp_path / "decoder", [tmp_path / "a.txt"], length=2)
