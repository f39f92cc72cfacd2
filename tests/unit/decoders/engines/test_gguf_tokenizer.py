from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edgekit.decoders.engines.gguf_tokenizer import GgufTokenizer
from edgekit.errors import ArtifactError, ModelError
from tests.unit.decoders import folders

Written = Callable[[str], Path]
RULES = {
    "llama3": "llama-bpe",
    "smollm3": "smaug-bpe",
    "qwen2": "qwen2",
    "smollm": "smollm",
    "gpt2": "gpt-2",
    "sentencepiece": "",
    "gemma": "",
}


@pytest.mark.parametrize("kind", folders.KINDS)
def test_rules_that_llama_cpp_has_are_named(kind: str, tmp_path: Path) -> None:
    folders.add_byte_pairs(tmp_path, kind)
    assert GgufTokenizer.read(tmp_path).rules == RULES[kind]


def test_other_tokenizers_are_refused_in_a_line(written: Written) -> None:
    with pytest.raises(ArtifactError, match="has no tokenizer like it") as raised:
        GgufTokenizer.read(written("llama"))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [("ignore_merges", True), ("continuing_subword_prefix", "##"), ("type", "Unigram")],
)
def test_pairs_with_another_rule_are_refused(
    tmp_path: Path, key: str, value: object
) -> None:
    folders.add_byte_pairs(tmp_path, "qwen2")
    path = tmp_path / "tokenizer.json"
    file = json.loads(path.read_text())
    file["model"][key] = value
    path.write_text(json.dumps(file))
    with pytest.raises(ArtifactError, match="has no tokenizer like it"):
        GgufTokenizer.read(tmp_path)


def test_a_folder_without_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no tokenizer\.json"):
        GgufTokenizer.read(tmp_path)


def test_another_split_is_named_by_its_first_token(tmp_path: Path) -> None:
    folders.add_byte_pairs(tmp_path, "qwen2")
    made = GgufTokenizer.read(tmp_path)
    ids = made._encoded
    made.check(ids)
    with pytest.raises(ArtifactError, match="from token 2 of a sample on"):
        made.check(lambda text: [*ids(text)[:2], 1, *ids(text)[3:]])
    with pytest.raises(ArtifactError, match="otherwise"):
        made.check(lambda text: ids(text)[:-1])
