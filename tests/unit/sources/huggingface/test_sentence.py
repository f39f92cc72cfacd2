"""Sentence transformers: the modules after the encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.unit.sources.huggingface import folders
from tests.unit.sources.huggingface.folders import load, refused, tokens
from tests.zoo.exactness import outputs, relative_error


@pytest.mark.parametrize(
    ("file", "content", "match"),
    [
        ("modules.json", [], "does not begin with a Transformer"),
        (
            "modules.json",
            [{"type": "m.Transformer", "path": "../.."}],
            "is not a folder",
        ),
        ("modules.json", [{"type": "m.Transformer", "path": ""}], "one Pooling"),
        (
            "modules.json",
            [{"type": "m.Transformer", "path": ""}, {"type": "mine.Code", "path": "c"}],
            "the module Code is not supported",
        ),
        ("tokenizer_config.json", [], "is not an object"),
    ],
)
def test_files_beside_the_configuration(
    folder: Path, file: str, content: Any, match: str
) -> None:
    folders.write(folder / file, content)
    refused(folder, match)


def test_pooling_of_another_kind_is_named(tmp_path: Path) -> None:
    folders.sentences(tmp_path / "folder", "mean")
    pooling = tmp_path / "folder" / "1_Pooling" / "config.json"
    folders.write(pooling, {"pooling_mode_lasttoken": True})
    refused(tmp_path / "folder", "pooling_mode_lasttoken is not supported")


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_sentences_become_one_vector(tmp_path: Path, pooling: str) -> None:
    network = folders.sentences(tmp_path / "folder", pooling)
    program = load(tmp_path / "folder", fixed={"token_type_ids": 0})
    assert program.outputs == ("sentence_embedding",)
    assert [spec.shape for spec in program.inputs] == [(12,), (12,)]
    ids, mask = tokens(3, 12)
    with torch.no_grad():
        states = network(ids, attention_mask=mask).last_hidden_state
    rows = []
    for row, kept in zip(states, mask.bool(), strict=True):
        own = row[kept]
        pooled = {"mean": own.mean(0), "cls": own[0], "max": own.amax(0)}[pooling]
        rows.append(pooled)

    dense = load_file(tmp_path / "folder" / "2_Dense" / "model.safetensors")
    found = torch.tanh(
        torch.stack(rows) @ dense["linear.weight"].T + dense["linear.bias"]
    )
    expected = found / found.norm(dim=-1, keepdim=True)
    assert relative_error(outputs(program, (ids, mask)), [expected]) < 1e-5
