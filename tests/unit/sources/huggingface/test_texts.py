"""Tokens of a folder are those of transformers, or the folder is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgekit.agent.serving.encode import TextEncoder
from edgekit.program import program, tokenizer
from edgekit.sources.huggingface.texts import TRIED
from tests import texts
from tests.unit.sources.huggingface import folders
from tests.unit.sources.huggingface.folders import load, refused

transformers = pytest.importorskip("transformers")
CORPUS = [
    *TRIED[2:],
    "good films are not bad films",
    "the film was very good",
    "été",
] * 3


def byte_pairs(folder: Path) -> None:
    """As RoBERTa's: bytes, and `<s>` around a text."""
    from tokenizers import ByteLevelBPETokenizer, processors

    marks = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    made = ByteLevelBPETokenizer()
    made.train_from_iterator(
        CORPUS, vocab_size=400, special_tokens=marks, show_progress=False
    )
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    _fast(folder, made._tokenizer, "<s>", "</s>")


def unigram(folder: Path) -> None:
    """As ALBERT's: pieces of words by their frequency."""
    from tokenizers import SentencePieceUnigramTokenizer, processors

    marks = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    made = SentencePieceUnigramTokenizer()
    made.train_from_iterator(
        CORPUS,
        vocab_size=300,
        special_tokens=marks,
        unk_token="<unk>",
        show_progress=False,
    )
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B:1 </s>:1",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )  # fmt: skip
    _fast(folder, made._tokenizer, "<s>", "</s>")


def words_from_the_left(folder: Path) -> None:
    """Whole words, padded and cut on the left, with a token of its own added."""
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

    numbers = {"[PAD]": 0, "[UNK]": 1, "good": 2, "film": 3, "the": 4}
    made = Tokenizer(models.WordLevel(numbers, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.add_tokens([AddedToken("<html>", lstrip=True)])
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]",
        padding_side="left", truncation_side="left",
    )  # fmt: skip
    wrapped.save_pretrained(folder)


def _fast(folder: Path, made: Any, start: str, end: str) -> None:
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, cls_token=start, sep_token=end, pad_token="<pad>",
        unk_token="<unk>", mask_token="<mask>",
    )  # fmt: skip
    wrapped.save_pretrained(folder)


def cased(folder: Path) -> None:
    folders.word_piece(folder, do_lower_case=False, strip_accents=False)


def in_lines(folder: Path) -> None:
    texts.write(folder, tokenizer_class="BertTokenizer", do_lower_case=False)
    folders.write(folder / "config.json", {"model_type": "bert"})


@pytest.mark.parametrize(
    "make",
    [folders.word_piece, cased, in_lines, byte_pairs, unigram, words_from_the_left],
)
def test_tokens_are_those_of_transformers(make: Any, tmp_path: Path) -> None:
    make(tmp_path)
    own = tokenizer.read(tmp_path)
    assert own is not None
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    singles = [*TRIED, *CORPUS[-3:], " ".join(own.special_tokens)]
    pairs = list(zip(singles, singles[::-1], strict=True))
    parts = tuple(zip(texts.NAMES, ("ids", "mask", "types"), strict=True))
    for length in (8, 40):
        encoder = TextEncoder(own.content, own.settings(parts, length, pair=False))
        how = {"max_length": length, "truncation": True, "padding": "max_length"}
        expected = theirs(singles, **how, return_token_type_ids=True)
        for name, values in encoder.encode(singles).items():
            assert values.tolist() == expected[name]
        columns = [list(part) for part in zip(*pairs, strict=True)]
        expected = theirs(*columns, **how, return_token_type_ids=True)
        for name, values in encoder.encode(pairs).items():
            assert values.tolist() == expected[name]


def test_a_folder_brings_its_tokenizer(tmp_path: Path) -> None:
    folders.bert(tmp_path / "folder")
    folders.word_piece(tmp_path / "folder")
    found = load(tmp_path / "folder")
    assert found.tokenizer == tokenizer.read(tmp_path / "folder")
    assert any("equal to those of transformers" in line for line in found.remarks)


def test_other_tokens_than_those_of_its_class_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folders.bert(folder)
    folders.word_piece(folder)
    document = json.loads((folder / "tokenizer.json").read_text())
    document["normalizer"]["lowercase"] = False
    (folder / "tokenizer.json").write_text(json.dumps(document))
    refused(folder, "gives other input_ids of .A quick brown.*BertTokenizer")
    folders.write(folder / "tokenizer_config.json", {"model_max_length": 12})
    assert load(folder).tokenizer is not None, "no class is named: the file is right"


def test_more_tokens_than_the_network_has_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folders.bert(folder)
    folders.word_piece(folder)
    document = json.loads((folder / "tokenizer.json").read_text())
    document["model"]["vocab"]["more"] = folders.VOCABULARY
    (folder / "tokenizer.json").write_text(json.dumps(document))
    refused(folder, "has 91 tokens, and the network's table 90")


def test_a_damaged_tokenizer_is_refused_before_the_network_is_traced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    folders.bert(folder, layers=1)
    folders.word_piece(folder)
    (folder / "tokenizer.json").write_text('{"model": 1}')
    monkeypatch.delattr(program, "trace")
    refused(folder, "tokenizer.json as a tokenizer")


def test_a_form_that_cannot_be_read_leaves_the_network(tmp_path: Path) -> None:
    folders.bert(tmp_path / "folder")
    (tmp_path / "folder" / "spiece.model").write_bytes(b"")
    found = load(tmp_path / "folder")
    assert found.tokenizer is None
    assert any("only in the form of spiece.model" in line for line in found.remarks)


def test_code_of_a_tokenizers_author_is_not_run(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folders.bert(folder)
    folders.word_piece(folder)
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    folders.changed(
        folder / "tokenizer_config.json",
        tokenizer_class="Own",
        auto_map={"AutoTokenizer": ["own.Own", None]},
    )
    refused(folder, "auto_map names Python code")
    assert not (tmp_path / "ran").exists()
