"""Reduces a byte-pair tokenizer to the tokens of a text.

Kept are the tokens that the text has, the tokens that their merges pass through, bytes (single
characters where there are none), and special tokens. A text whose tokens are all kept is split as
before: at each step the whole tokenizer merges the pair of the lowest rank, that merge is kept,
and the reduced tokenizer has no pair that the whole one lacks.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Any

from edgekit.errors import ModelError

_CHARACTER = re.compile(".", re.DOTALL)
_BYTES = re.compile("<0x[0-9A-F]{2}>|▁")
"""The mark of a space is one: as bytes it would not be turned into a space again."""
_LISTS = ("suppress_tokens", "begin_suppress_tokens")
"""Of token numbers in a configuration, beside the keys that end with `_token_id`."""


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """A reduced tokenizer, and the tokens that stay."""

    kept: tuple[int, ...]
    """The numbers of the tokens in the whole vocabulary, ascending; each is at its new number."""
    document: Mapping[str, Any]
    """The reduced `tokenizer.json`."""

    @property
    def numbers(self) -> dict[int, int]:
        """The new number of each kept token by its old one."""
        return {old: new for new, old in enumerate(self.kept)}


def reduce(
    document: Mapping[str, Any], seen: Iterable[int], needed: Iterable[int]
) -> Vocabulary:
    """Reduce a `tokenizer.json` to the tokens numbered in `seen` and `needed`, and what they need.

    Raises `ModelError` for a tokenizer that is not byte-pair, or that marks the places of tokens in
    words, and for a needed number without a token.
    """
    model = document["model"]
    _check(model)
    pairs = [_pair(merge) for merge in model.get("merges") or []]
    kept = sorted(_kept(document, pairs, seen, needed))
    numbers = {old: new for new, old in enumerate(kept)}
    made = copy.deepcopy(dict(document))
    tokens = {t: numbers[old] for t, old in model["vocab"].items() if old in numbers}
    made["model"]["vocab"] = tokens
    made["model"]["merges"] = [
        merge
        for merge, (left, right) in zip(model.get("merges") or [], pairs, strict=True)
        if {left, right, left + right} <= tokens.keys()
    ]
    made["added_tokens"] = [
        {**token, "id": numbers[token["id"]]}
        for token in document.get("added_tokens") or []
        if token["id"] in numbers
    ]
    if made.get("padding"):
        made["padding"]["pad_id"] = numbers.get(made["padding"]["pad_id"], 0)
    if made.get("post_processor"):
        _renumber_processor(made["post_processor"], numbers)
    return Vocabulary(kept=tuple(kept), document=made)


def named(config: Mapping[str, Any]) -> set[int]:
    """The numbers of tokens that a configuration names."""
    found: set[int] = set()
    for key in filter(_names_tokens, config):
        value = config[key]
        listed = value if isinstance(value, list) else [value]
        found |= {number for number in listed if isinstance(number, int)}
    return {number for number in found if number >= 0}


def renumbered(config: Mapping[str, Any], numbers: Mapping[int, int]) -> dict[str, Any]:
    """The configuration with the new numbers of the tokens that it names."""

    def new(value: Any) -> Any:
        if isinstance(value, list):
            return [new(each) for each in value]
        return numbers.get(value, value)

    return {k: new(v) if _names_tokens(k) else v for k, v in config.items()}


def _names_tokens(key: str) -> bool:
    return key.endswith("_token_id") or key in _LISTS


def _check(model: Mapping[str, Any]) -> None:
    if model.get("type") != "BPE":
        raise ModelError(
            f"The tokenizer is of the kind {model.get('type')}, and only byte-pair vocabularies "
            "(BPE) are trimmed. Keep the whole vocabulary."
        )
    marked = [
        key
        for key in ("continuing_subword_prefix", "end_of_word_suffix")
        if model.get(key)
    ]
    if marked:
        raise ModelError(
            f"The tokenizer has an option {marked[0]}, and such vocabularies are not trimmed. "
            "Keep the whole vocabulary."
        )


def _kept(
    document: Mapping[str, Any],
    pairs: Sequence[tuple[str, str]],
    seen: Iterable[int],
    needed: Iterable[int],
) -> set[int]:
    """The numbers of the tokens that stay."""
    model = document["model"]
    vocabulary: dict[str, int] = model["vocab"]
    added = document.get("added_tokens") or []
    known = set(vocabulary.values()) | {token["id"] for token in added}
    missing = set(needed) - known
    if missing:
        raise ModelError(
            f"The configuration names token {min(missing)}, which the tokenizer lacks. Correct one."
        )
    kept = known & set(seen) | set(needed)
    kept |= {token["id"] for token in added if token["special"]}
    if model.get("unk_token") is not None:
        kept.add(vocabulary[model["unk_token"]])
    alphabet = _BYTES if model.get("byte_fallback") else _CHARACTER
    kept |= {n for token, n in vocabulary.items() if alphabet.fullmatch(token)}
    ranks = {pair: rank for rank, pair in enumerate(pairs)}
    for token in [t for t, number in vocabulary.items() if number in kept]:
        kept |= {vocabulary[part] for part in _formed(token, ranks) & vocabulary.keys()}
    return kept


def _pair(merge: str | Collection[str]) -> tuple[str, str]:
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right


def _formed(token: str, ranks: Mapping[tuple[str, str], int]) -> set[str]:
    """The tokens that merging passes through on the way to `token`; none where it is not merged."""
    parts = list(token)
    found = set(parts)
    while len(parts) > 1:
        rank, place = min(
            (ranks.get(pair, inf), place) for place, pair in enumerate(pairwise(parts))
        )
        if rank == inf:
            return set()
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
        found.add(parts[place])
    return found


def _renumber_processor(part: dict[str, Any], numbers: Mapping[int, int]) -> None:
    for inner in part.get("processors") or []:
        _renumber_processor(inner, numbers)
    for token in (part.get("special_tokens") or {}).values():
        token["ids"] = [numbers[number] for number in token["ids"]]
    for key in ("sep", "cls"):
        if key in part:
            part[key] = [part[key][0], numbers[part[key][1]]]
