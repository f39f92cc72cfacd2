"""The user's text as rows of token numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edgekit.errors import DataError, ModelError
from edgekit.program import tokenizer
from edgekit.safe_io import read_text, reading
from edgekit.suggestions import suggest_path

_PIECE = 1 << 16
"""Characters that are encoded at once: a tokenizer takes memory for each."""


def read(
    folder: Path, texts: Sequence[Path], *, length: int, limit: int | None = None
) -> Tensor:
    """Rows of `length` tokens of the texts, joined: int64, (rows, `length`).

    `folder` is the decoder's, with its tokenizer; `texts` are files, or folders with `.txt` in
    them. Where the tokenizer begins texts with a token, each row begins with it. `limit` is the
    most rows. Raises `DataError` for texts that are missing or too short for one row, and
    `ModelError` for a folder without a tokenizer.
    """
    made = _tokenizer(folder)
    with reading(folder / tokenizer.FILE, ModelError, kind="a tokenizer"):
        start = made.encode("").ids[:1]
    needed = length - len(start)
    ids: list[int] = []
    for piece in _pieces(texts):
        ids += made.encode(piece, add_special_tokens=False).ids
        if limit is not None and len(ids) >= needed * limit:
            break
    rows = len(ids) // needed if limit is None else min(len(ids) // needed, limit)
    if rows == 0:
        named = ", ".join(map(str, texts))
        raise DataError(
            f"{named}: {len(ids)} tokens, and a row has {needed}. Add text."
        )
    whole = torch.tensor(ids[: rows * needed]).reshape(rows, needed)
    return torch.cat(
        [torch.tensor(start, dtype=torch.int64).expand(rows, -1), whole], 1
    )


def used(folder: Path, texts: Sequence[Path]) -> set[int]:
    """The numbers of the tokens that occur in the texts; see `read`."""
    made = _tokenizer(folder)
    pieces = (made.encode(piece).ids for piece in _pieces(texts))
    return {number for piece in pieces for number in piece}


def split(rows: Tensor, fraction: float = 0.1) -> tuple[Tensor, Tensor]:
    """Rows to train on, and the last `fraction` of them, at least one, to measure on.

    Raises `DataError` for a single row.
    """
    held_out = max(1, round(len(rows) * fraction))
    if held_out >= len(rows):
        raise DataError(f"{len(rows)} row of text cannot be split. Add text.")
    return rows[:-held_out], rows[-held_out:]


def _tokenizer(folder: Path) -> Any:
    found = tokenizer.read(folder)
    if found is None:
        raise ModelError(
            f"{folder} has no {tokenizer.FILE}. Add the decoder's tokenizer."
        )
    import tokenizers

    return tokenizers.Tokenizer.from_str(found.content)


def _pieces(texts: Sequence[Path]) -> Iterator[str]:
    for path in _files(texts):
        text = read_text(path, DataError)
        yield from (text[at : at + _PIECE] for at in range(0, len(text), _PIECE))


def _files(texts: Sequence[Path]) -> Iterator[Path]:
    for place in texts:
        if not place.exists():
            raise DataError(f"No text at {place}.{suggest_path(place)}")
        inner = sorted(place.rglob("*.txt")) if place.is_dir() else [place]
        if not inner:
            raise DataError(f"No .txt file in {place}.")
        yield from inner
