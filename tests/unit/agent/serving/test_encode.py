"""From texts to token numbers, as a device does it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.agent.errors import FILES, INPUTS_INVALID, RUNTIME_MISSING, AgentError
from edgekit.agent.serving.encode import TextEncoder
from edgekit.program import tokenizer
from tests import texts
from tests.texts import NAMES, numbers


@pytest.fixture
def content(tmp_path: Path) -> str:
    found = tokenizer.read(texts.write(tmp_path))
    assert found is not None
    return found.content


def contract(**values: Any) -> dict[str, Any]:
    return {
        "length": texts.LENGTH,
        "pair": False,
        "inputs": dict(zip(NAMES, ("ids", "mask", "types"), strict=True)),
        "pad_token": "[PAD]",
        "pad_id": 0,
        "pad_type_id": 0,
        "padding_side": "right",
        "truncation_side": "right",
        **values,
    }


def test_texts_are_padded_cut_and_masked(content: str) -> None:
    encoder = TextEncoder(content, contract(length=6))
    found = encoder.encode(["good", "very good film not bad", ""])
    assert found["input_ids"].tolist() == [
        numbers("good", length=6),
        numbers("very", "good", "film", "not", length=6),
        numbers(length=6),
    ]
    assert found["attention_mask"].sum(axis=1).tolist() == [3, 6, 2]
    assert {values.shape for values in found.values()} == {(3, 6)}


def test_sides(content: str) -> None:
    sides = contract(length=4, padding_side="left", truncation_side="left")
    found = TextEncoder(content, sides).encode(["good", "very good film"])
    padding, *text = found["input_ids"][0].tolist()
    assert [padding, *text] == [0, *numbers("good", length=3)]
    assert found["input_ids"][1].tolist() == numbers("good", "film", length=4)


def test_its_own_file_does_the_same(content: str) -> None:
    from tokenizers import Tokenizer

    encoder = TextEncoder(content, contract(length=6))
    again = Tokenizer.from_str(encoder.content)
    for text in ("good", "very good film not bad", "日本 👍 é"):
        given = encoder.encode([text])["input_ids"][0].tolist()
        assert again.encode(text).ids == given


def test_an_input_takes_the_part_it_names(content: str) -> None:
    encoder = TextEncoder(content, contract(inputs={"x": "mask"}))
    assert list(encoder.encode(["good"])) == ["x"]
    np.testing.assert_array_equal(encoder.encode(["good"])["x"][0, :4], [1, 1, 1, 0])


def test_no_room_for_a_text_is_refused(content: str) -> None:
    encoder = TextEncoder(content, contract(length=2, pair=True))
    assert encoder.fits("a") and not encoder.fits(("a", "b"))
    with pytest.raises(AgentError, match="special tokens alone") as caught:
        encoder.encode([("a", "b")])
    assert caught.value.kind == INPUTS_INVALID


def test_damage_and_odd_texts_are_one_line(content: str) -> None:
    with pytest.raises(AgentError) as caught:
        TextEncoder("{}", contract())
    assert caught.value.kind == FILES
    with pytest.raises(AgentError, match="Cannot read f") as caught:
        TextEncoder(content, contract()).encode(["\udc00"], "f")
    assert caught.value.kind == INPUTS_INVALID


def test_a_device_without_the_package_says_so(
    content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(AgentError, match="needs the package tokenizers") as caught:
        TextEncoder(content, contract())
    assert caught.value.kind == RUNTIME_MISSING
