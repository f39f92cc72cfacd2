from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from edgekit.decoders import decoder, folder_trim, token_rows
from edgekit.decoders.decoder import Decoder
from edgekit.errors import ModelError
from tests.unit.decoders import folders
from tests.unit.decoders.test_vocabulary import FOXES, OTHERS

SPECIAL = ["<pad>", "<s>", "</s>"]
TEMPLATE = "{% for m in messages %}{{ 'theater' }}{{ m['content'] }}{% endfor %}"
_SETTINGS = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "eos_token": "</s>",
    "chat_template": TEMPLATE,
    "added_tokens_decoder": {
        str(i): {"content": token, "special": True} for i, token in enumerate(SPECIAL)
    },
}


def written(folder: Path, name: str) -> Decoder:
    """A decoder with a tokenizer of bytes, and what transformers writes beside it."""
    import tokenizers

    made = tokenizers.ByteLevelBPETokenizer()
    made.train_from_iterator(
        [FOXES, OTHERS], vocab_size=400, special_tokens=SPECIAL, show_progress=False
    )
    size = made.get_vocab_size()
    folders.write(
        folder, name, vocab_size=size + 9
    )  # rows beyond the tokens, as Qwen's
    made.save(str(folder / "tokenizer.json"))
    made.save_model(str(folder))
    (folder / "tokenizer_config.json").write_text(json.dumps(_SETTINGS))
    return decoder.read(folder)


def trimmed(source: Decoder, tmp_path: Path) -> tuple[Decoder, dict[int, int]]:
    """The folder for one of the texts, and the new numbers by the old ones."""
    (tmp_path / "text.txt").write_text(FOXES)
    seen = token_rows.used(source.folder, [tmp_path / "text.txt"])
    small = folder_trim.trim(source, seen, tmp_path / "small")
    old, new = (
        json.loads((each.folder / "tokenizer.json").read_text())["model"]["vocab"]
        for each in (source, small)
    )
    return small, {old[token]: new[token] for token in new}


def greedy(folder: Path, ids: list[int], count: int) -> list[int]:
    network = folders.load(folder)
    for _ in range(count):
        ids = [*ids, int(folders.logits(network, torch.tensor([ids]))[0, -1].argmax())]
    return ids


@pytest.mark.parametrize("name", ["llama", "llama-untied", "gemma"])
def test_logits_of_kept_tokens_are_those_of_the_whole_decoder(
    name: str, tmp_path: Path
) -> None:
    source = written(tmp_path / "whole", name)
    small, numbers = trimmed(source, tmp_path)
    old = torch.tensor(sorted(numbers))
    rows = old[torch.randint(0, len(old), (3, 12), generator=torch.manual_seed(0))]
    before = folders.logits(folders.load(source.folder), rows)
    new = torch.tensor([[numbers[int(i)] for i in row] for row in rows])
    after = folders.logits(folders.load(small.folder), new)
    assert (
        after.shape[-1] == len(numbers) < source.shapes["model.embed_tokens.weight"][0]
    )
    assert torch.allclose(after, before[:, :, old], atol=1e-5)


def test_greedy_text_of_kept_tokens_is_the_same(tmp_path: Path) -> None:
    source = written(tmp_path / "whole", "llama")
    small, numbers = trimmed(source, tmp_path)
    compared = 0
    for start in sorted(numbers):
        ids = greedy(source.folder, [start], 4)
        if set(ids) <= numbers.keys():
            compared += 1
            expected = [numbers[i] for i in ids]
            assert greedy(small.folder, [numbers[start]], 4) == expected
        if compared == 5:
            return
    pytest.fail("no text of kept tokens")


def test_files_beside_the_weights_have_the_new_numbers(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    source = written(tmp_path / "whole", "qwen2")
    config = {"eos_token_id": [2, 1], "bos_token_id": 1, "temperature": 0.5}
    (source.folder / "generation_config.json").write_text(json.dumps(config))
    small, numbers = trimmed(source, tmp_path)
    found = {f.name: f for f in small.folder.iterdir()}
    assert not {"vocab.json", "merges.txt"} & found.keys()
    generation = json.loads(found["generation_config.json"].read_text())
    assert generation == {**config, "eos_token_id": [numbers[2], numbers[1]]}
    assert small.config["vocab_size"] == len(numbers)
    before, after = (
        AutoTokenizer.from_pretrained(each.folder) for each in (source, small)
    )
    ids = before("the quick dog")["input_ids"]
    assert after("the quick dog")["input_ids"] == [numbers[i] for i in ids]
    assert after.eos_token_id == numbers[before.eos_token_id]
    # The chat template writes words of its own.
    ids = before("theater")["input_ids"]
    assert after("theater")["input_ids"] == [numbers[i] for i in ids]


def test_a_tokenizer_that_numbers_added_tokens_by_their_place_is_refused(
    tmp_path: Path,
) -> None:
    source = written(tmp_path / "whole", "llama")
    file = source.folder / "tokenizer.json"
    document: dict[str, Any] = json.loads(file.read_text())
    del document["model"]["vocab"]["<s>"]
    file.write_text(json.dumps(document))
    with pytest.raises(ModelError, match="by its place among added tokens"):
        folder_trim.trim(source, {5}, tmp_path / "small")
    assert not (tmp_path / "small").exists()


def test_a_token_without_a_row_is_named(tmp_path: Path) -> None:
    source = written(tmp_path / "whole", "llama")
    folders.write(tmp_path / "small", "llama", vocab_size=50)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "small" / name).write_text((source.folder / name).read_text())
    with pytest.raises(ModelError, match="50 rows"):
        folder_trim.trim(decoder.read(tmp_path / "small"), set(), tmp_path / "out")
