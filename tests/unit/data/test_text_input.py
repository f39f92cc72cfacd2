"""Texts as samples of a network's inputs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgekit.data import memory, split, text_input
from edgekit.data.text_input import TextInput
from edgekit.data.text_rows import from_texts
from edgekit.errors import DataError, ModelError
from edgekit.types import InputSpec, TextSpec
from tests import texts
from tests.texts import numbers

TEXTS = ["good film", "bad", "not very good", "the film was bad"]


def how(root: Path) -> TextInput:
    found = texts.request(root).text
    assert found is not None
    return found


def test_the_contract_has_what_an_application_needs(tmp_path: Path) -> None:
    import hashlib

    own = how(tmp_path)
    contract = own.contract
    assert contract.inputs == dict(
        zip(texts.NAMES, ("ids", "mask", "types"), strict=True)
    )
    assert (contract.length, contract.vocabulary) == (12, len(texts.vocabulary()))
    assert contract.sha256 == hashlib.sha256(own.content.encode()).hexdigest()
    assert '"Fixed":12' in own.content and not contract.pair


def test_texts_beyond_memory_are_read_when_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = text_input.samples(TEXTS, how(tmp_path), "t")
    assert len(whole[0].raw(np.array([0]))) == 1 and list(whole[0].table._kept) == [""]
    monkeypatch.setattr(memory, "MEMORY", 16)
    parts = text_input.samples(TEXTS, how(tmp_path), "t")
    for indices in (np.array([3, 0]), np.array([1]), np.array([3, 0])):
        for one, other in zip(whole, parts, strict=True):
            np.testing.assert_array_equal(one.raw(indices), other.raw(indices))
    assert len(parts[0].table._kept) == 1, "one request is kept, not all"


def test_the_digest_follows_texts_tokenizer_and_input(tmp_path: Path) -> None:
    own = how(tmp_path)
    digests = {
        text_input.samples(TEXTS, own, "t")[0].digest(),
        text_input.samples(TEXTS, own, "t")[1].digest(),
        text_input.samples(TEXTS[::-1], own, "t")[0].digest(),
        text_input.samples(TEXTS, replace(own, length=8), "t")[0].digest(),
    }
    assert len(digests) == 4
    again = text_input.samples(TEXTS, how(tmp_path), "elsewhere")
    assert again[0].digest() in digests


def test_parts_of_a_data_set_keep_their_contract(tmp_path: Path) -> None:
    found = from_texts(TEXTS * 4, [0, 1, 0, 1] * 4, texts.request(tmp_path), "t")
    train, validation = split(found, 0.25, seed=0)
    assert train.text == validation.text == found.text is not None
    sample, target = found[0]
    assert sample["input_ids"].tolist() == numbers("good", "film") and target == 0


def test_a_mask_of_floats_is_one_and_zero(tmp_path: Path) -> None:
    asked = texts.request(tmp_path)
    float_mask = replace(asked.inputs[1].spec, dtype=None)
    inputs = (
        asked.inputs[0],
        replace(asked.inputs[1], spec=float_mask),
        asked.inputs[2],
    )
    found = from_texts(["good"], None, replace(asked, inputs=inputs), "t")
    mask = found.feeds()[0][1]
    assert mask.dtype == np.float32 and mask[0].tolist() == [1, 1, 1] + [0] * 9


def test_a_pair_needs_room(tmp_path: Path) -> None:
    short = replace(how(tmp_path), length=2)
    with pytest.raises(DataError, match="no room for a text"):
        text_input.samples([("good", "bad")], short, "t")


def test_a_tokenizer_that_is_not_there_or_not_for_the_network(tmp_path: Path) -> None:
    tokens = [InputSpec(name="input_ids", shape=(8,), dtype="int64")]
    images = [InputSpec(name="x", shape=(3, 8, 8))]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty has no tokenizer\.json"):
        text_input.text_input(tokens, TextSpec(tokenizer="empty"), None, tmp_path)
    with pytest.raises(ModelError, match="No tokenizer at"):
        text_input.text_input(tokens, TextSpec(tokenizer="none"), None, tmp_path)
    texts.write(tmp_path / "own")
    with pytest.raises(DataError, match="network takes x"):
        text_input.text_input(images, TextSpec(tokenizer="own"), None, tmp_path)
    assert text_input.text_input(tokens, TextSpec(), None, tmp_path) is None
