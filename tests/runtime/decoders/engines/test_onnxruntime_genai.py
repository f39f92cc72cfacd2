from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edgekit.decoders import artifact_choice, decoder
from edgekit.decoders.engines.protocol import WeightFormat
from edgekit.errors import ArtifactError
from tests.runtime.decoders.engines.generation import check_same_text
from tests.unit.decoders import folders

pytest.importorskip(
    "onnxruntime_genai", reason="ONNX Runtime GenAI is not installed: edgekit[genai]"
)
Written = Callable[[str], Path]


def decoder_of(folder: Path, name: str) -> Path:
    """A decoder with heads of 16 values."""
    folders.write(folder, name, hidden_size=64)
    folders.add_tokenizer(folder)
    return folder


REFUSED = ("smollm3", "gemma3")
"""Families that its builder stops at."""
FAILING = ("mistral-window",)
"""Its attention kernel ends with an error where the prompt is longer than the window."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [each for each in folders.FAMILIES if each not in (*REFUSED, *FAILING)]
)
def test_it_generates_the_text_of_pytorch(name: str, tmp_path: Path) -> None:
    source = decoder_of(tmp_path / "decoder", name)
    check_same_text("onnxruntime-genai", source, tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize("name", REFUSED)
def test_a_decoder_that_the_builder_does_not_take_is_named(
    name: str, tmp_path: Path
) -> None:
    opened = decoder.read(decoder_of(tmp_path / "decoder", name))
    with pytest.raises(ArtifactError, match=f"of model_type {name}"):
        artifact_choice.export(
            opened, "onnxruntime-genai", WeightFormat(), tmp_path / "out"
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", FAILING)
def test_a_file_that_the_runtime_fails_on_is_named(name: str, tmp_path: Path) -> None:
    source = decoder_of(tmp_path / "decoder", name)
    with pytest.raises(ArtifactError, match="cannot run"):
        check_same_text("onnxruntime-genai", source, tmp_path / "out")


def test_heads_of_eight_values_are_refused(written: Written, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="heads have 8 values"):
        artifact_choice.export(
            decoder.read(written("llama")),
            "onnxruntime-genai",
            WeightFormat(),
            tmp_path / "out",
        )


@pytest.mark.slow
def test_four_bits_take_less_room(tmp_path: Path) -> None:
    folders.write(tmp_path / "decoder", hidden_size=128, intermediate_size=256)
    folders.add_tokenizer(tmp_path / "decoder")
    opened = decoder.read(tmp_path / "decoder")
    rows = folders.tokens(rows=4)
    whole = artifact_choice.export(
        opened, "onnxruntime-genai", WeightFormat(), tmp_path / "fp32"
    )
    small = artifact_choice.export_int4(
        opened,
        "onnxruntime-genai",
        rows,
        tmp_path / "int4",
        threads=1,
        group_sizes=(32, 64),
    )
    assert small.size_mb < 0.5 * whole.size_mb
    assert [size for size, _ in small.tried] == [32, 64]
    assert len({perplexity for _, perplexity in small.tried}) == 2
