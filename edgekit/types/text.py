"""The contract of text: token numbers by a tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge

from edgekit.types.names import Count

TokenPart = Literal["ids", "mask", "types"]
"""The part of an encoding that an input takes: token numbers, 1 for each token that is not
padding, or the number (0 or 1) of the text in a pair."""
Side = Literal["left", "right"]


@dataclass(frozen=True, kw_only=True)
class TextContract:
    """From a text, or a pair, to a network's inputs, by the `tokenizer.json` of a bundle."""

    tokenizer: Literal["tokenizer.json"] = "tokenizer.json"
    sha256: str
    length: Count
    """Tokens of a sample: longer texts are cut, shorter ones padded."""
    vocabulary: Count
    special_tokens: tuple[str, ...]
    pad_token: str
    pad_id: Annotated[int, Ge(0)]
    pad_type_id: Annotated[int, Ge(0)]
    padding_side: Side
    truncation_side: Side
    pair: bool
    """True where a sample is two texts."""
    inputs: Mapping[str, TokenPart]
