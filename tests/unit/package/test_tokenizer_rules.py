"""The tokenizers that packages for phones have code for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgekit.package import tokenizer_rules
from edgekit.package.opened import Bundle
from edgekit.package.tokenizer_rules import WordPieceRules

BERT = {
    "added_tokens": [
        {"id": 2, "content": "[X]", "normalized": False, "single_word": False}
    ],
    "normalizer": {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": False,
        "strip_accents": None,
        "lowercase": True,
    },
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": {"type": "BertProcessing", "cls": ["[C]", 4], "sep": ["[S]", 5]},
    "model": {
        "type": "WordPiece",
        "unk_token": "[U]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
        "vocab": {"[U]": 0, "a": 3},
    },
}


def read(folder: Path, **changes: Any) -> Any:
    document = json.loads(json.dumps({**BERT, **changes}))
    (folder / "tokenizer.json").write_text(json.dumps(document))
    contract = {"text": {"tokenizer": "tokenizer.json"}}
    bundle = Bundle(folder=folder, manifest={"contract": contract}, report={})
    return tokenizer_rules.read(bundle)


def test_bert_is_read(tmp_path: Path) -> None:
    rules = read(tmp_path)
    assert isinstance(rules, WordPieceRules)
    assert rules.vocabulary == ["[U]", "", "", "a"] and rules.added == {"[X]": 2}
    assert (rules.clean, rules.chinese, rules.strip_accents) == (True, False, True)
    row = [(one.token, one.sequence, one.type) for one in rules.pair]
    assert row == [(4, 0, 0), (-1, 0, 0), (5, 0, 0), (-1, 1, 1), (5, 0, 1)]


def test_without_a_post_processor_texts_are_alone(tmp_path: Path) -> None:
    rules = read(tmp_path, post_processor=None)
    assert [one.token for one in rules.single] == [-1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"normalizer": None}, "normalizer is none, not BertNormalizer"),
        ({"pre_tokenizer": {"type": "ByteLevel"}}, "pre-tokenizer is ByteLevel"),
        ({"model": {"type": "BPE"}}, "model is BPE"),
        ({"post_processor": {"type": "ByteLevel"}}, "post-processor is ByteLevel"),
        (
            {"model": {**BERT["model"], "vocab": {"a": 0, "b": 99}}},  # type: ignore[dict-item]
            "have no token",
        ),
        (
            {"model": {**BERT["model"], "vocab": {"a\n": 0}}},  # type: ignore[dict-item]
            "not one line",
        ),
        (
            {"added_tokens": [{**BERT["added_tokens"][0], "normalized": True}]},  # type: ignore[index]
            "added tokens",
        ),
    ],
)
def test_others_are_named(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    assert words in read(tmp_path, **changes)


def test_samples_that_are_no_texts_have_none() -> None:
    bundle = Bundle(folder=Path(), manifest={"contract": {}}, report={})
    assert tokenizer_rules.read(bundle) is None
