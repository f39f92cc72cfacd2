"""Texts become the same token numbers in a page as in training."""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from tokenizers import (
    Tokenizer,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from edgekit.agent.serving.encode import TextEncoder
from edgekit.package.web import packaging, token_samples
from tests import texts
from tests.runtime.package.web.conftest import NPM, Script, modules
from tests.runtime.package.web.test_preprocess import js

GIVEN = (
    "good",
    "",
    "The film was VERY very bad, not good!",
    "filmss 日 👍 xyz  é",
    "a b c d e f g h i j k l m n o p",
    "[MASK] good [SEP]",
    "\t not\n",
)
PAIRS = [(a, b) for a in GIVEN for b in (GIVEN[0], GIVEN[1], GIVEN[2], GIVEN[4])]
pytestmark = pytest.mark.skipif(NPM is None, reason="needs npm: apt-get install npm")


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("pair", [False, True])
def test_texts_and_pairs_are_cut_and_padded_alike(
    tmp_path: Path, script: Script, pair: bool, side: str
) -> None:
    how = texts.request(tmp_path / "source").text
    assert how is not None
    contract = replace(
        how.contract,
        pair=pair,
        padding_side=side,  # type: ignore[arg-type]
        truncation_side=side,  # type: ignore[arg-type]
    )
    given = [list(each) for each in PAIRS] if pair else [[each] for each in GIVEN]
    check(tmp_path, script, how.content, asdict(contract), given)


@pytest.mark.parametrize("kind", ["bytes", "unigram", "metaspace"])
def test_tokenizers_of_other_kinds_read_alike(
    tmp_path: Path, script: Script, kind: str
) -> None:
    """As RoBERTa's, XLM-RoBERTa's and Llama's, trained on a few lines."""
    content = trained(kind)
    contract = {
        "length": 24,
        "pair": False,
        "inputs": {"x": "ids", "m": "mask"},
        "padding_side": "right",
        "truncation_side": "right",
        "pad_id": 1,
        "pad_type_id": 0,
        "pad_token": "<pad>",
    }
    given = [[text] for text in (*GIVEN, *token_samples._TEXTS)]
    check(tmp_path, script, content, contract, given)


def test_a_tokenizer_that_reads_otherwise_is_refused(
    tmp_path: Path, script: Script
) -> None:
    how = texts.request(tmp_path / "source").text
    assert how is not None
    place, contract = page(tmp_path), asdict(how.contract)
    rows = {name: [1] * texts.LENGTH for name in contract["inputs"]}
    contract["samples"] = [{"texts": ["good"], "rows": rows}]
    found = script(
        place,
        f"""import {{ Encoder }} from "./text.mjs";
const encoder = new Encoder({how.content}, {js(contract)});
try {{ encoder.check(); console.log("null"); }}
catch (error) {{ console.log(JSON.stringify(error.message)); }}""",
    )
    assert found == 'this page\'s tokenizer reads ["good"] otherwise than in training'


def page(folder: Path) -> Path:
    """A folder with the module that reads texts, and its tokenizers."""
    place = folder / "page"
    place.mkdir()
    (place / "node_modules").symlink_to(modules(text=True)["node_modules"])
    shutil.copyfile(packaging._ASSETS / "text.js", place / "text.mjs")
    return place


def check(
    folder: Path,
    script: Script,
    content: str,
    contract: dict[str, Any],
    given: list[list[str]],
) -> None:
    """Each sample of `given` has the tokens of training in a page."""
    found = script(
        page(folder),
        f"""import {{ Encoder }} from "./text.mjs";
const encoder = new Encoder({content}, {js(contract)});
const rows = {js(given)}.map((texts) => encoder.encode(...texts));
console.log(JSON.stringify(rows, (_, v) => (ArrayBuffer.isView(v) ? [...v] : v)));""",
    )
    pairs = [tuple(each) if len(each) > 1 else each[0] for each in given]
    expected = TextEncoder(content, contract).encode(pairs)  # type: ignore[arg-type]
    for number, row in enumerate(found):
        for name, values in expected.items():
            assert row[name] == values[number].tolist(), (given[number], name)


def trained(kind: str) -> str:
    """The `tokenizer.json` of a small tokenizer."""
    corpus = [*GIVEN, *token_samples._TEXTS] * 4
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    if kind == "bytes":
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer: Any = trainers.BpeTrainer(
            vocab_size=400, special_tokens=special, initial_alphabet=alphabet
        )
    elif kind == "unigram":
        made = Tokenizer(models.Unigram())
        made.normalizer = normalizers.NFKC()
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=150, special_tokens=special, unk_token="<unk>"
        )
    else:
        made = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
        made.normalizer = normalizers.Sequence(
            [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
        )
        whole = [f"<0x{byte:02X}>" for byte in range(256)]
        trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=[*special, *whole])
    made.train_from_iterator(corpus, trainer)
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    return made.to_str()
