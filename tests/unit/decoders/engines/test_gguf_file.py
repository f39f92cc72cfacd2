"""Decoders that GGUF files do not express. The files themselves are tested with llama.cpp."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgekit.decoders import decoder
from edgekit.decoders.engines import gguf_file
from edgekit.decoders.engines.gguf_tokenizer import GgufTokenizer
from edgekit.errors import ArtifactError
from tests.unit.decoders import folders

Written = Callable[[str], Path]
TOKENIZER = GgufTokenizer(folder=Path(), file={}, rules="qwen2")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gemma3", "of model_type gemma3_text are not written"),
        ("mistral-window", "attend to a window of the text"),
        ("qwen3-window", "attend to a window of the text"),
        ("smollm3", "blocks without rotary positions are not each fourth"),
    ],
)
def test_features_that_it_lacks_are_named(
    written: Written, name: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ArtifactError, match=message) as raised:
        gguf_file.write(decoder.read(written(name)), TOKENIZER, tmp_path / "x.gguf", 32)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("llama", {"hidden_act": "relu"}, "the activation is 'relu', not 'silu'"),
        ("qwen3", {"attention_bias": True}, "_proj has a bias"),
        (
            "qwen2",
            {
                "rope_parameters": {
                    "rope_type": "linear",
                    "rope_theta": 1e4,
                    "factor": 2.0,
                }
            },
            "rotary frequencies are not the plain ones",
        ),
        (
            "llama",
            {
                "rope_parameters": {
                    "rope_type": "yarn",
                    "rope_theta": 1e4,
                    "factor": 4.0,
                    "original_max_position_embeddings": 32,
                }
            },
            "depend on the length of the text, or are scaled",
        ),
    ],
)
def test_settings_that_it_lacks_are_named(
    name: str, settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    folders.write(tmp_path / "decoder", name, **settings)
    opened = decoder.read(tmp_path / "decoder")
    with pytest.raises(ArtifactError, match=message):
        gguf_file.write(opened, TOKENIZER, tmp_path / "x.gguf", 32)
