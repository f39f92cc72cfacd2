from __future__ import annotations

from pathlib import Path

import pytest
import torch

from edgekit.decoders import artifact_choice, decoder
from edgekit.decoders.engines.protocol import WeightFormat
from edgekit.decoders.engines.registry import ENGINES
from edgekit.errors import ArtifactError
from tests.runtime.decoders.engines.generation import check_same_text
from tests.unit.decoders import folders

gguf = pytest.importorskip("gguf", reason="gguf is not installed: edgekit[gguf]")
llama_cpp = pytest.importorskip(
    "llama_cpp", reason="llama-cpp-python is not installed: edgekit[gguf]"
)
TOKENIZERS = {
    "llama": "llama3",
    "llama-untied": "sentencepiece",
    "llama-scaled": "llama3",
    "mistral": "sentencepiece",
    "qwen2": "qwen2",
    "qwen3": "qwen2",
    "smollm3": "smollm3",
    "gemma": "gemma",
}
"""Families, and whose tokenizers they have here."""
REFUSED = {
    "gemma3": "of model_type gemma3_text are not written for llama.cpp",
    "mistral-window": "attend to a window of the text",
    "qwen3-window": "attend to a window of the text",
}


def decoder_of(folder: Path, name: str, kind: str, **sizes: int) -> Path:
    more: dict[str, object] = {"vocab_size": folders.BYTE_PAIRS + 8, **sizes}
    if name == "smollm3":
        more["no_rope_layers"] = [1, 1, 1, 0]
    folders.write(folder, name, **more)
    folders.add_byte_pairs(folder, kind)
    return folder


def exported(source: Path, out: Path, bits: int) -> Path:
    weights = WeightFormat(bits=bits, group_size=32 if bits == 4 else None)
    return artifact_choice.export(
        decoder.read(source), "llama.cpp", weights, out
    ).folder


@pytest.mark.slow
@pytest.mark.parametrize("name", TOKENIZERS)
def test_it_generates_the_text_of_pytorch(name: str, tmp_path: Path) -> None:
    source = decoder_of(tmp_path / "decoder", name, TOKENIZERS[name])
    check_same_text("llama.cpp", source, tmp_path / "out")


@pytest.mark.parametrize("kind", folders.KINDS)
def test_texts_are_split_as_in_the_folder(kind: str, tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    source = decoder_of(tmp_path / "decoder", "llama", kind)
    out = exported(source, tmp_path / "out", 32)
    opened = llama_cpp.Llama(str(out / "model.gguf"), vocab_only=True, verbose=False)
    whole = Tokenizer.from_file(str(source / "tokenizer.json"))
    for text in (
        folders.TEXT,
        "a",
        "  two  spaces",
        "99 bottles\n\n\n",
        "ἀρχή 🙂 don't",
    ):
        assert opened.tokenize(text.encode()) == whole.encode(text).ids, text


def test_the_file_has_the_chat_template_and_special_tokens(tmp_path: Path) -> None:
    source = decoder_of(tmp_path / "decoder", "llama", "llama3")
    out = exported(source, tmp_path / "out", 16)
    fields = gguf.GGUFReader(out / "model.gguf").fields
    found = {name: field.contents() for name, field in fields.items()}
    assert found["tokenizer.chat_template"] == "{{ messages[0]['content'] }}"
    assert found["tokenizer.ggml.bos_token_id"] == 1
    assert found["tokenizer.ggml.eos_token_id"] == 2
    assert found["tokenizer.ggml.add_bos_token"] is True
    assert found["tokenizer.ggml.add_eos_token"] is False
    assert found["tokenizer.ggml.tokens"][-1] == f"[PAD{folders.BYTE_PAIRS + 7}]"


@pytest.mark.parametrize("name", REFUSED)
def test_a_decoder_that_it_does_not_express_is_named(name: str, tmp_path: Path) -> None:
    source = decoder_of(tmp_path / "decoder", name, "qwen2")
    with pytest.raises(ArtifactError, match=REFUSED[name]) as raised:
        exported(source, tmp_path / "out", 32)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_other_blocks_without_positions_are_refused(tmp_path: Path) -> None:
    """llama.cpp has them at each fourth block: a cut may have moved them."""
    folders.write(tmp_path / "decoder", "smollm3", vocab_size=folders.BYTE_PAIRS)
    folders.add_byte_pairs(tmp_path / "decoder", "smollm3")
    with pytest.raises(ArtifactError, match="not each fourth"):
        exported(tmp_path / "decoder", tmp_path / "out", 32)


@pytest.mark.slow
def test_fewer_bits_take_less_room(tmp_path: Path) -> None:
    sizes = {"hidden_size": 128, "intermediate_size": 256}
    source = decoder_of(tmp_path / "decoder", "llama", "llama3", **sizes)
    rows = torch.randint(4, folders.BYTE_PAIRS, (4, 24)).tolist()
    found, likelihoods = [], []
    for bits in (32, 16, 8, 4):
        out = exported(source, tmp_path / str(bits), bits)
        found.append((out / "model.gguf").stat().st_size)
        session = ENGINES["llama.cpp"].open(out, threads=1, exact=False)
        likelihoods.append(session.nll(rows))
    assert found[1] < 0.55 * found[0]
    assert found[2] < 0.32 * found[0]
    assert found[3] < 0.23 * found[0]
    assert likelihoods[1:3] == pytest.approx([likelihoods[0]] * 2, rel=0.02)
    assert likelihoods[3] == pytest.approx(likelihoods[0], rel=0.2)
