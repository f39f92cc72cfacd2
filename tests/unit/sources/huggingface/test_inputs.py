"""Inputs of a folder: their names, lengths and fixed values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from edgekit.types import InputSpec
from tests.unit.sources.huggingface import folders
from tests.unit.sources.huggingface.folders import length, load, refused, tokens
from tests.zoo.exactness import outputs, relative_error


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"input": InputSpec(shape=(3, 16, 16))}, "each of one length"),
        ({"input": InputSpec(shape=(4000,))}, "Cannot read"),
        ({"fixed": {"input_ids": 1}}, "can have attention_mask"),
        ({"fixed": {"mask": 1}}, "can have attention_mask"),
        ({"fixed": {"attention_mask": 0.5}}, "as whole numbers"),
    ],
)
def test_what_the_project_asks_for(
    folder: Path, values: dict[str, Any], match: str
) -> None:
    refused(folder, match, **values)


def test_a_mask_may_have_one_value_for_every_text(tmp_path: Path) -> None:
    network = folders.distilbert(tmp_path / "folder")
    program = load(tmp_path / "folder", input=length(6), fixed={"attention_mask": 1})
    assert [spec.name for spec in program.inputs] == ["input_ids"]
    ids, _ = tokens(2, 6)
    with torch.no_grad():
        expected = network(ids).logits
    assert relative_error(outputs(program, (ids,)), [expected]) < 1e-5


@pytest.mark.parametrize(
    ("file", "key", "expected"),
    [
        (None, None, 40),
        ("tokenizer_config.json", "model_max_length", 20),
        ("sentence_bert_config.json", "max_seq_length", 9),
    ],
)
def test_the_length_is_the_folders_and_is_named(
    tmp_path: Path, file: str | None, key: str | None, expected: int
) -> None:
    folders.distilbert(tmp_path / "folder")
    if file and key:
        folders.write(tmp_path / "folder" / file, {key: expected})
    program = load(tmp_path / "folder")
    assert {spec.shape for spec in program.inputs} == {(expected,)}
    assert any(
        f"Sequences are of {expected} tokens" in each for each in program.remarks
    )
