"""The tokenizers that packages for phones have code for: BERT's, with WordPiece."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.package.opened import Bundle

_MOST_GAPS = 4
"""Lines of a vocabulary for one token in it."""
_NORMALIZER = ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A token around texts, or a text itself (`token` -1)."""

    token: int
    sequence: int
    type: int


@dataclass(frozen=True, kw_only=True)
class WordPieceRules:
    """Rules from texts to tokens; the fields are those of the tokenizer's file."""

    vocabulary: Sequence[str]
    """By number; "" where a number has no token."""
    added: Mapping[str, int]
    single: Sequence[Piece]
    pair: Sequence[Piece]
    unknown: str
    prefix: str
    longest_word: int
    clean: bool
    chinese: bool
    strip_accents: bool
    lowercase: bool


class _Unknown(Exception):
    """A part of a tokenizer that the packages have no code for."""


def read(bundle: Bundle) -> WordPieceRules | str | None:
    """The rules of a bundle of texts; in words why there are none; `None` without texts."""
    if bundle.text is None:
        return None
    content = (bundle.folder / str(bundle.text["tokenizer"])).read_text("utf-8")
    try:
        return _rules(json.loads(content))
    except _Unknown as error:
        return str(error)


def _rules(document: Mapping[str, Any]) -> WordPieceRules:
    normalizer, model = document.get("normalizer") or {}, document["model"]
    _expect("normalizer", normalizer, "BertNormalizer")
    _expect("pre-tokenizer", document.get("pre_tokenizer"), "BertPreTokenizer")
    _expect("model", model, "WordPiece")
    clean, chinese, strip, lower = (normalizer.get(name) for name in _NORMALIZER)
    return WordPieceRules(
        vocabulary=_vocabulary(model["vocab"]),
        added=_added(document.get("added_tokens") or ()),
        single=_pieces(document.get("post_processor"), "single"),
        pair=_pieces(document.get("post_processor"), "pair"),
        unknown=model["unk_token"],
        prefix=model["continuing_subword_prefix"],
        longest_word=model["max_input_chars_per_word"],
        clean=bool(clean),
        chinese=bool(chinese),
        strip_accents=bool(lower if strip is None else strip),
        lowercase=bool(lower),
    )


def _expect(part: str, found: Mapping[str, Any] | None, kind: str) -> None:
    name = (found or {}).get("type", "none")
    if name != kind:
        raise _Unknown(f"its tokenizer's {part} is {name}, not {kind}")


def _vocabulary(tokens: Mapping[str, int]) -> Sequence[str]:
    """The tokens by number, each of one line; "" where a number has none."""
    if any(token.splitlines() != [token] for token in tokens):
        raise _Unknown("a token of it is not one line")
    if max(tokens.values()) >= _MOST_GAPS * len(tokens):
        raise _Unknown("most numbers below its greatest have no token")
    named = {number: token for token, number in tokens.items()}
    return [named.get(number, "") for number in range(max(named) + 1)]


def _added(tokens: Sequence[Mapping[str, Any]]) -> Mapping[str, int]:
    if any(one["normalized"] or one["single_word"] for one in tokens):
        raise _Unknown("its added tokens are looked for in normalized text or as words")
    return {one["content"]: one["id"] for one in tokens}


def _pieces(processor: Mapping[str, Any] | None, form: str) -> Sequence[Piece]:
    kind = None if processor is None else processor["type"]
    texts = (0,) if form == "single" else (0, 1)
    if processor is None:
        return [Piece(token=-1, sequence=text, type=0) for text in texts]
    if kind == "BertProcessing":
        return _bert(processor, texts)
    if kind != "TemplateProcessing":
        raise _Unknown(f"its tokenizer's post-processor is {kind}")
    known = processor["special_tokens"]
    return [piece for part in processor[form] for piece in _of_template(part, known)]


def _bert(processor: Mapping[str, Any], texts: Sequence[int]) -> Sequence[Piece]:
    start, end = processor["cls"][1], processor["sep"][1]
    found = [Piece(token=start, sequence=0, type=0)]
    for text in texts:
        found += [
            Piece(token=-1, sequence=text, type=text),
            Piece(token=end, sequence=0, type=text),
        ]
    return found


def _of_template(part: Mapping[str, Any], known: Mapping[str, Any]) -> Sequence[Piece]:
    if "Sequence" in part:
        text = part["Sequence"]
        return [Piece(token=-1, sequence="AB".index(text["id"]), type=text["type_id"])]
    token = part["SpecialToken"]
    return [
        Piece(token=number, sequence=0, type=token["type_id"])
        for number in known[token["id"]]["ids"]
    ]
