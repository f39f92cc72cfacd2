"""Tokenizers of folders and files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgekit import safe_io
from edgekit.errors import ModelError
from edgekit.program import tokenizer
from edgekit.types import InputSpec
from tests import texts


def saved(folder: Path, **values: Any) -> Path:
    """A `tokenizer.json` alone, with other values at its top."""
    found = tokenizer.read(texts.write(folder / "slow"))
    assert found is not None
    file = folder / "tokenizer.json"
    file.write_text(json.dumps({**json.loads(found.content), **values}))
    return file


def refused(place: Path, match: str) -> None:
    with pytest.raises(ModelError, match=match) as caught:
        tokenizer.read(place)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


def test_a_vocabulary_is_a_word_piece_in_either_form(tmp_path: Path) -> None:
    slow = tokenizer.read(texts.write(tmp_path / "slow"))
    fast = tokenizer.read(saved(tmp_path))
    assert slow is not None and fast is not None
    assert (slow.model, slow.vocabulary) == ("WordPiece", len(texts.vocabulary()))
    assert slow.special_tokens == fast.special_tokens == texts.SPECIAL
    assert (fast.pad_token, fast.pad_id, fast.padding_side) == ("[PAD]", 0, "right")


def test_windows_line_ends_and_the_last_line(tmp_path: Path) -> None:
    folder = texts.write(tmp_path / "a")
    (folder / "vocab.txt").write_bytes("\r\n".join(texts.vocabulary()).encode())
    found = tokenizer.read(folder)
    assert found is not None and found.vocabulary == len(texts.vocabulary())


def test_sides_and_padding_are_the_folders(tmp_path: Path) -> None:
    padding = {
        "strategy": {"Fixed": 1 << 60}, "direction": "Left", "pad_to_multiple_of": None,
        "pad_id": 1, "pad_type_id": 1, "pad_token": "[UNK]",
    }  # fmt: skip
    found = tokenizer.read(saved(tmp_path, padding=padding))
    assert found is not None
    assert (found.pad_id, found.pad_type_id, found.padding_side) == (1, 1, "left")
    config = {"pad_token": {"content": "[MASK]"}, "truncation_side": "left"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    found = tokenizer.read(tmp_path)
    assert found is not None
    assert (found.pad_token, found.truncation_side) == ("[MASK]", "left")


def test_other_forms_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "spiece.model").write_bytes(b"")
    refused(tmp_path, r"only in the form of spiece\.model.*save_pretrained")
    (tmp_path / "spiece.model").unlink()
    assert tokenizer.read(tmp_path) is None
    texts.write(tmp_path, tokenizer_class="EsmTokenizer")
    refused(tmp_path, r"only in the form of vocab\.txt")
    refused(tmp_path / "other.json", "No tokenizer at")


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"model": None}, "as a tokenizer"),
        ({"added_tokens": [{"id": 1}]}, "as a tokenizer"),
        ({"version": "9.0"}, "as a tokenizer"),
        ({"truncation": {"max_length": -1}}, "as a tokenizer"),
    ],
)
def test_damaged_files_are_one_line(
    values: dict[str, Any], match: str, tmp_path: Path
) -> None:
    refused(saved(tmp_path, **values), match)


def test_damage_that_shows_on_a_text_alone(tmp_path: Path) -> None:
    file = saved(tmp_path)
    document = json.loads(file.read_text())
    document["post_processor"]["special_tokens"]["[CLS]"]["ids"] = [1 << 30]
    file.write_text(json.dumps(document))
    refused(file, "token numbers above")
    file.write_text("[]")
    refused(file, "not an object")
    file.write_bytes(b"\xff")
    refused(file, "not UTF-8")


def test_a_vocabulary_without_its_marks_is_refused(tmp_path: Path) -> None:
    folder = texts.write(tmp_path)
    (folder / "vocab.txt").write_text("a\nb\n[UNK]\n")
    refused(folder, r"it has no \[CLS\]")


def test_a_padding_token_has_to_be_there(tmp_path: Path) -> None:
    file = saved(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"pad_token": "<nothing>"}')
    refused(file, "'<nothing>', which it lacks")


def test_a_gigantic_file_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "tokenizer.json").open("wb") as file:
        file.truncate(safe_io.TEXT_BYTES + 1)
    refused(tmp_path, "at most")


def test_what_inputs_take_of_a_text() -> None:
    def of(*names: str, dtype: Any = "int64", length: int = 8) -> Any:
        return tokenizer.parts(
            [InputSpec(name=name, shape=(length,), dtype=dtype) for name in names]
        )

    assert of("anything") == (("anything", "ids"),)
    assert of("attention_mask", "input_ids") == (
        ("attention_mask", "mask"), ("input_ids", "ids"),
    )  # fmt: skip
    assert of("input_word_ids", "input_mask", "input_type_ids")[2][1] == "types"
    assert of("x", dtype=None) == of("first", "second") == ()
    assert of("input_ids", "pixels") == (("input_ids", "ids"),)
    assert of("attention_mask", "segment_ids") == ()
    assert tokenizer.parts([InputSpec(name="x", shape=(3, 4), dtype="int64")]) == ()
