"""A tiny tokenizer of words and letters, and what reads texts by it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgekit.data.request import Request, RequestedInput
from edgekit.data.text_input import text_input
from edgekit.types import InputSpec, Preprocess, TextSpec

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = ("good", "bad", "film", "##s", "very", "not", "the", "was")
NAMES = ("input_ids", "attention_mask", "token_type_ids")
LENGTH = 12


def vocabulary() -> list[str]:
    """Tokens of a WordPiece; their numbers are their places."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    marks = ".,!?'日👍é"
    return [*SPECIAL, *WORDS, *letters, *(f"##{x}" for x in letters), *marks]


def write(folder: Path, **config: Any) -> Path:
    """A folder with BERT's tokenizer in its older form: a token a line."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(vocabulary()) + "\n")
    settings = {"model_max_length": LENGTH, **config}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def numbers(*tokens: str, length: int = LENGTH) -> list[int]:
    """The tokens' numbers between those of a text's ends, and padding."""
    places = {token: place for place, token in enumerate(vocabulary())}
    found = [places[token] for token in ("[CLS]", *tokens, "[SEP]")]
    return found + [0] * (length - len(found))


def request(
    root: Path,
    *,
    names: tuple[str, ...] = NAMES,
    kind: str = "classification",
    columns: tuple[str, ...] = (),
    beside: tuple[RequestedInput, ...] = (),
) -> Request:
    """A request of texts for inputs of `LENGTH` tokens, by a tokenizer in `root`, `beside` other
    inputs."""
    tokens = [InputSpec(name=name, shape=(LENGTH,), dtype="int64") for name in names]
    inputs = (
        *beside,
        *(RequestedInput(spec=x, preprocess=Preprocess(scale=1.0)) for x in tokens),
    )
    specs = [each.spec for each in inputs]
    write(root / "tokenizer")
    named = TextSpec(tokenizer="tokenizer", columns=columns)
    how = text_input(specs, named, None, root)
    return Request(inputs=inputs, labels=None, kind=kind, text=how)
