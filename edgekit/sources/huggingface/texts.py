"""The tokenizer of a folder, held against the same folder's in transformers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgekit.agent.serving.encode import Text, TextEncoder
from edgekit.errors import ModelError
from edgekit.program import tokenizer
from edgekit.program.tokenizer import CONFIG, Tokenizer
from edgekit.safe_io import reading
from edgekit.sources.huggingface.network import offline
from edgekit.types import InputSpec

TRIED: tuple[str, ...] = (
    "",
    " ",
    "A quick brown fox: 12.5% of it, isn't it?",
    "ALL CAPITALS and MiXeD cAsE",
    "  spaces   before,\tinside\r\nand after \n",
    "naïve café, Ångström, Å Å, ﬁne, Straße, İstanbul, ệ",
    "日本語のテキスト、中文文本。한국어 문장",
    "العربية עברית हिन्दी ไทย",
    "👩‍👩‍👧‍👦 🇩🇪 👍🏽 text\ufe0f",
    "control\x00\x01\x07\x1b characters\x7f\x85\u200b\u2028\ufeff\ufffd",
    "https://example.org/a?b=c&d=[e] {json: true} <html>",
    "supercalifragilisticexpialidocious" * 8,
    "one word after another " * 400,
)
"""Texts that tokenizers differ on."""
_NAMES = {"ids": "input_ids", "mask": "attention_mask", "types": "token_type_ids"}


def read(
    folder: Path, specs: Sequence[InputSpec], config: Any
) -> tuple[Tokenizer | None, tuple[str, ...]]:
    """The tokenizer of a folder, or `None`, and remarks on it.

    Raises `ModelError` for a damaged one, for more tokens than the network has, and for one
    whose tokens are not those of its class in transformers.
    """
    inputs = tokenizer.parts(specs)
    refused = tokenizer.only_slow(folder)
    if not inputs or refused is not None:
        return None, () if refused is None else (f"{refused}.",)
    found = tokenizer.read(folder)
    if found is None:
        return None, ()
    rows = getattr(config, "vocab_size", None)
    if isinstance(rows, int) and found.vocabulary > rows:
        raise ModelError(
            f"The tokenizer of {folder} has {found.vocabulary} tokens, and the network's table "
            f"{rows}. Take the tokenizer that the network was trained with."
        )
    length = specs[0].shape[0]
    with reading(folder, ModelError, kind="a tokenizer"):
        how = found.settings(inputs, length, pair=False)
        compared = _compared(folder, found, TextEncoder(found.content, how))
    return found, (described(found, length) + compared,)


def described(found: Tokenizer, length: int) -> str:
    """A sentence on a tokenizer, without its end."""
    return (
        f"Texts become {length} tokens each, by the folder's tokenizer ({found.model}, "
        f"{found.vocabulary:,} tokens)"
    )


def _compared(folder: Path, own: Tokenizer, encoder: TextEncoder) -> str:
    """The end of a sentence on whether tokens are those of transformers; `ModelError` where
    they differ."""
    if not tokenizer.read_object(folder / CONFIG).get("tokenizer_class"):
        return "."
    theirs = _reference(folder, own)
    texts = list(_texts(own, encoder))
    for text in texts:
        expected = _expected(theirs, text, encoder)
        given = encoder.encode([text])
        for name, part in encoder.inputs.items():
            if given[name][0].tolist() != expected[_NAMES[part]]:
                raise ModelError(
                    f"The tokenizer of {folder} gives other {_NAMES[part]} of {text!r:.60} than "
                    f"{type(theirs).__name__} of transformers does with this folder. Write its "
                    "files again: transformers.AutoTokenizer.from_pretrained("
                    f"{str(folder)!r}).save_pretrained({str(folder)!r})."
                )
    return f", equal to those of transformers on {len(texts)} texts."


def _texts(own: Tokenizer, encoder: TextEncoder) -> Iterator[Text]:
    singles = (*TRIED, " ".join(own.special_tokens[:32]))
    yield from (text for text in singles if encoder.fits(text))
    pairs = zip(singles, singles[3:], strict=False)
    yield from (pair for pair in pairs if encoder.fits(pair))


def _reference(folder: Path, own: Tokenizer) -> Any:
    from transformers import AutoTokenizer

    with reading(folder, ModelError, kind="a tokenizer of transformers"), offline():
        theirs = AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
        if theirs.pad_token is None:
            theirs.pad_token = own.pad_token
    return theirs


def _expected(theirs: Any, text: Text, encoder: TextEncoder) -> Mapping[str, list[int]]:
    found: Mapping[str, list[int]] = theirs(
        *((text,) if isinstance(text, str) else text),
        truncation=True,
        max_length=encoder.length,
        padding="max_length",
        return_attention_mask=True,
        return_token_type_ids=True,
    )
    return found
