"""The tokenizer of a decoder's folder as llama.cpp has it: token texts, types, merges and scores.

llama.cpp splits texts by rules of its own, which a file names. They are two kinds: byte pairs of
GPT-2 behind one of the regular expressions below, and pairs of SentencePiece with a score a token.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from edgekit.errors import ArtifactError, ModelError
from edgekit.safe_io import read_json

FILE = "tokenizer.json"
_SPACE, _BYTE = "▁", re.compile("<0x[0-9A-F]{2}>")
_LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN_2 = _LLAMA_3.replace(r"\p{N}{1,3}", r"\p{N}")
_BYTES, _BYTES_BY_WORD = ("ByteLevel", False), ("ByteLevel", True)
_RULES: Mapping[tuple[Any, ...], str] = {
    (_LLAMA_3, _BYTES): "smaug-bpe",
    (_QWEN_2, _BYTES): "qwen2",
    ("Digits", _BYTES_BY_WORD): "smollm",
    (_BYTES_BY_WORD,): "gpt-2",
}
"""Steps before the pairs -> llama.cpp's name for them."""
_WHOLE_WORDS = {"smaug-bpe": "llama-bpe"}
"""Names of the same rules where words of the vocabulary are taken whole."""
_PROBE = "Hello, world! I'll pay 1234567.89 €\n\n  for naïve cafés\t(東京) DON'T🙂  x+=1;\r\n end  "


@dataclass(frozen=True, kw_only=True)
class GgufTokenizer:
    """A tokenizer that llama.cpp has the rules of."""

    folder: Path
    file: Mapping[str, Any]
    """`tokenizer.json`."""
    rules: str
    """llama.cpp's name of the rules before byte pairs; empty for those of SentencePiece."""

    @classmethod
    def read(cls, folder: Path) -> GgufTokenizer:
        """The tokenizer of a decoder's folder.

        Raises `ArtifactError` where llama.cpp has no such tokenizer, `ModelError` where the folder
        has no `tokenizer.json`.
        """
        path = folder / FILE
        if not path.is_file():
            raise ModelError(
                f"{folder} has no {FILE}. Write it with tokenizer.save_pretrained()."
            )
        file = read_json(path, ModelError)
        rules = _rules(file)
        if rules is None:
            raise ArtifactError(
                f"{path}: llama.cpp has no tokenizer like it. It takes byte pairs as in Llama 3, "
                "Qwen 2, SmolLM and GPT-2, and SentencePiece's pairs. Take another runtime."
            )
        return cls(folder=folder, file=file, rules=rules)

    def add_to(self, writer: Any, size: int) -> None:
        """Write the tokenizer's keys into a `GGUFWriter`; `size` is the number of embeddings."""
        import gguf

        tokens, types = self._tokens(size)
        writer.add_tokenizer_model("gpt2" if self.rules else "llama")
        writer.add_tokenizer_pre(self.rules or "default")
        writer.add_token_list(tokens)
        writer.add_token_types(types)
        if not self.rules:
            writer.add_token_scores(self._scores(tokens))
            writer.add_add_space_prefix(_prepends_space(self.file))
        with _quiet():
            special = gguf.SpecialVocab(
                self.folder, load_merges=bool(self.rules), n_vocab=size
            )
            special.add_special_token = self._added(special.special_token_ids)
            special.add_to_gguf(writer, quiet=True)

    def check(self, encode: Callable[[str], Sequence[int]]) -> None:
        """Compare what llama.cpp makes of a text, `encode(text) -> ids`, with the folder's own.

        Raises `ArtifactError` where they differ.
        """
        expected, found = self._encoded(_PROBE), list(encode(_PROBE))
        if found == expected:
            return
        both = zip_longest(found, expected)
        at = next(number for number, (a, b) in enumerate(both) if a != b)
        raise ArtifactError(
            f"{self.folder / FILE}: llama.cpp splits texts otherwise, from token {at} of a sample "
            "on. Take another runtime."
        )

    def _encoded(self, text: str) -> list[int]:
        from tokenizers import Tokenizer

        made = Tokenizer.from_file(str(self.folder / FILE))
        return list(made.encode(text).ids)

    def _added(self, special: Mapping[str, int]) -> dict[str, bool]:
        """Return whether a text begins with the token for that, and ends with the other."""
        ids = self._encoded("a")
        return {
            "bos": bool(ids) and ids[0] == special.get("bos"),
            "eos": bool(ids) and ids[-1] == special.get("eos"),
        }

    def _tokens(self, size: int) -> tuple[list[str], list[int]]:
        """The text and type of the token of each embedding."""
        from gguf import TokenType

        texts = [f"[PAD{number}]" for number in range(size)]
        types = [TokenType.UNUSED] * size
        model = self.file["model"]
        for text, number in _below(size, model["vocab"].items()):
            texts[number], types[number] = text, TokenType.NORMAL
            if not self.rules and text == model.get("unk_token"):
                types[number] = TokenType.UNKNOWN
            elif not self.rules and _BYTE.fullmatch(text):
                types[number] = TokenType.BYTE
        added = [(one, one["id"]) for one in self.file.get("added_tokens", ())]
        for one, number in _below(size, added):
            texts[number] = one["content"]
            if one["special"] and types[number] != TokenType.UNKNOWN:
                types[number] = TokenType.CONTROL
            elif not one["special"]:
                types[number] = TokenType.USER_DEFINED
                if not self.rules:
                    texts[number] = one["content"].replace(_SPACE, " ")
        return texts, [int(kind) for kind in types]

    def _scores(self, tokens: Sequence[str]) -> list[float]:
        """Higher for a token that pairs are merged to earlier, as SentencePiece trains them."""
        order: dict[str, int] = {}
        for number, pair in enumerate(self.file["model"]["merges"]):
            left, right = pair.split(" ") if isinstance(pair, str) else pair
            order.setdefault(left + right, number)
        return [-float(order.get(text, len(order))) for text in tokens]


def _rules(file: Mapping[str, Any]) -> str | None:
    """llama.cpp's name of the rules before byte pairs, empty for SentencePiece's pairs, or `None`
    where it has neither."""
    model = file["model"]
    if model.get("type") != "BPE" or model.get("continuing_subword_prefix"):
        return None
    if model.get("byte_fallback"):
        return ""
    found = _RULES.get(tuple(_steps(file.get("pre_tokenizer"))))
    if model.get("ignore_merges"):
        return _WHOLE_WORDS.get(found or "")
    return found


def _steps(given: Mapping[str, Any] | None) -> Iterator[Any]:
    """The steps before the pairs: regular expressions, "Digits", ("ByteLevel", with words)."""
    given = given or {}
    kind = given.get("type")
    if kind == "Sequence":
        for one in given["pretokenizers"]:
            yield from _steps(one)
    elif kind == "Split" and given["behavior"] == "Isolated" and not given["invert"]:
        yield given["pattern"].get("Regex")
    elif kind == "Digits" and given["individual_digits"]:
        yield kind
    elif kind == "ByteLevel" and not given["add_prefix_space"]:
        yield kind, given["use_regex"]
    else:
        yield None


def _prepends_space(file: Mapping[str, Any]) -> bool:
    """Return whether a text begins with a space for the pairs."""
    found = json.dumps([file.get("normalizer"), file.get("pre_tokenizer")])
    return '"Prepend"' in found or bool(
        re.search('"prepend_scheme": "(first|al)', found)
    )


def _below(size: int, numbered: Iterable[tuple[Any, int]]) -> Iterator[tuple[Any, int]]:
    return ((one, number) for one, number in numbered if 0 <= number < size)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without warnings of the package about templates, which `_added` does not go by."""
    logger = logging.getLogger("gguf")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
