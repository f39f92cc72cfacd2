from __future__ import annotations

import json
from typing import Any

import pytest

from edgekit.decoders import vocabulary
from edgekit.errors import ModelError

tokenizers = pytest.importorskip("tokenizers")
FOXES = "the quick brown fox jumps over the lazy dog, and the dog is not amused. " * 20
OTHERS = "a banana and an ananas: bananas in pyjamas went to the theater there. " * 20
OTHER_SCRIPT = "Привет, 世界! 🦊 naïve"


def byte_level() -> Any:
    """A tokenizer of bytes, as of GPT-2 and Qwen, trained on both texts."""
    made = tokenizers.ByteLevelBPETokenizer()
    made.train_from_iterator(
        [FOXES, OTHERS], vocab_size=400, special_tokens=["<end>"], show_progress=False
    )
    return made


def with_fallback() -> Any:
    """A tokenizer of characters with bytes for the others, as of Llama 2 and Gemma."""
    from tokenizers import decoders, models, normalizers, processors, trainers

    made = tokenizers.Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    made.normalizer = normalizers.Replace(" ", "▁")
    pieces = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=["<unk>", "<s>", *pieces], show_progress=False
    )
    made.train_from_iterator([FOXES, OTHERS], trainer)
    document = json.loads(made.to_str())
    document["added_tokens"] = [
        token for token in document["added_tokens"] if token["content"] not in pieces
    ]
    made = tokenizers.Tokenizer.from_str(json.dumps(document))
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", made.token_to_id("<s>"))]
    )
    return made


def reduced(made: Any, text: str) -> tuple[Any, dict[int, int]]:
    """The tokenizer for the text alone, and the new numbers."""
    document = json.loads(made.to_str())
    found = vocabulary.reduce(document, made.encode(text).ids, ())
    small = tokenizers.Tokenizer.from_str(json.dumps(found.document))
    return small, found.numbers


@pytest.mark.parametrize("kind", [byte_level, with_fallback])
def test_text_of_kept_tokens_is_split_as_before(kind: Any) -> None:
    made = kind()
    small, numbers = reduced(made, FOXES)
    assert small.get_vocab_size() == len(numbers) < 0.95 * made.get_vocab_size()
    checked = 0
    words = sorted(set((FOXES + OTHERS).replace(".", " .").split()))
    for text in [FOXES, *(f"{a} {b}" for a in words for b in words)]:
        before = made.encode(text).ids
        if set(before) <= numbers.keys():
            checked += 1
            assert small.encode(text).ids == [numbers[number] for number in before]
    assert 100 < checked < len(words) ** 2


@pytest.mark.parametrize("kind", [byte_level, with_fallback])
def test_any_text_is_read_and_written(kind: Any) -> None:
    made = kind()
    small, _ = reduced(made, FOXES)
    for text in (OTHERS, OTHER_SCRIPT):
        ids = small.encode(text, add_special_tokens=False).ids
        assert small.decode(ids) == made.decode(
            made.encode(text, add_special_tokens=False).ids
        )
        assert small.decode(ids) == text


def test_special_tokens_stay_and_are_renumbered() -> None:
    made = with_fallback()
    small, numbers = reduced(made, "dog")
    start = made.token_to_id("<s>")
    assert small.token_to_id("<s>") == numbers[start]
    assert small.encode("dog").ids[0] == numbers[start]


def test_the_mark_of_a_space_stays() -> None:
    made = with_fallback()
    small, _ = reduced(made, "dog")
    assert small.decode(small.encode("the fox").ids) == "the fox"


def test_a_merge_that_no_kept_token_needs_goes() -> None:
    """ "ab" is merged before "bc": "abc" is "ab" and "c"."""
    tokens = {token: i for i, token in enumerate(["a", "b", "c", "bc", "ab", "abc"])}
    model = {"type": "BPE", "vocab": tokens, "merges": [["a", "b"], ["b", "c"]]}
    found = vocabulary.reduce({"model": model}, [tokens["ab"]], ())
    assert found.document["model"]["vocab"] == {"a": 0, "b": 1, "c": 2, "ab": 3}
    assert found.document["model"]["merges"] == [["a", "b"]]
    assert found.kept == (0, 1, 2, 4)
    assert model["vocab"] == tokens


def test_tokens_of_the_configuration_are_renumbered() -> None:
    config = {"eos_token_id": [7, 9], "pad_token_id": None, "bos_token_id": 7, "n": 9}
    assert vocabulary.named(config) == {7, 9}
    assert vocabulary.renumbered(config, {7: 1, 9: 2}) == {
        "eos_token_id": [1, 2],
        "pad_token_id": None,
        "bos_token_id": 1,
        "n": 9,
    }


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"type": "Unigram", "vocab": []}, "only byte-pair"),
        (
            {"type": "BPE", "vocab": {"a": 0}, "end_of_word_suffix": "</w>"},
            "option end_of_word_suffix",
        ),
    ],
)
def test_other_tokenizers_are_refused(model: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        vocabulary.reduce({"model": model}, (), ())


def test_a_named_token_that_is_none_is_refused() -> None:
    with pytest.raises(ModelError, match="names token 5"):
        vocabulary.reduce({"model": {"type": "BPE", "vocab": {"a": 0}}}, (), (5,))
