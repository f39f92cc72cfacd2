from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from edgekit.decoders import decoder
from edgekit.errors import ModelError
from tests.unit.decoders import folders

Written = Callable[[str], Path]


@pytest.fixture
def folder(written: Written, tmp_path: Path) -> Path:
    """A folder to damage."""
    return Path(shutil.copytree(written("llama"), tmp_path / "folder"))


@pytest.mark.parametrize("name", folders.FAMILIES)
def test_every_family_opens(written: Written, name: str) -> None:
    opened = decoder.read(written(name))
    assert (opened.blocks, opened.mlp_width) == (folders.BLOCKS, 64)
    assert (opened.heads, opened.groups) == (4, 2)
    expected = folders.load(written(name)).state_dict()
    for index in range(opened.blocks):
        for part, tensor in opened.block(index).items():
            assert torch.equal(tensor, expected[f"model.layers.{index}.{part}"])


def test_sizes_come_from_the_tensors(written: Written) -> None:
    opened = decoder.read(written("qwen3"))
    assert opened.head_size == 16  # of a hidden size of 32 and four heads
    assert opened.bytes() == sum(
        4 * p.numel() for p in folders.load(written("qwen3")).parameters()
    )


def test_shards_are_read_by_their_index(written: Written, tmp_path: Path) -> None:
    folders.load(written("qwen2")).save_pretrained(tmp_path, max_shard_size="50KB")
    assert not (tmp_path / "model.safetensors").exists()
    opened = decoder.read(tmp_path)
    assert len(set(opened.places.values())) > 1
    whole = decoder.read(written("qwen2"))
    for name in whole.shapes:
        assert torch.equal(opened.tensors([name])[name], whole.tensors([name])[name])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"model_type": "gpt2"},
            "model_type 'gpt2' are not supported. Supported are gemma",
        ),
        ({"model_type": "gemma2"}, "'gemma2'"),
        ({"auto_map": {"AutoModel": "code.Net"}}, "code is never run"),
        ({"quantization_config": {"bits": 4}}, "quantized"),
        ({"final_logit_softcapping": 30.0}, "final_logit_softcapping caps"),
        ({"num_hidden_layers": 5}, "lacks the tensor model.layers.4."),
        ({"num_hidden_layers": 3}, "holds model.layers.3."),
        ({"intermediate_size": 48}, r"has shape \[64, 32\]|has shape \[32, 64\]"),
        ({"num_hidden_layers": 10**9}, "the folder has"),
    ],
)
def test_folders_that_are_no_plain_decoder_are_refused(
    folder: Path, changes: dict[str, Any], message: str
) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(ModelError, match=message):
        decoder.read(folder)


def test_pickled_weights_are_not_read(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"neither model\.safetensors nor"):
        decoder.read(folder)


def test_a_damaged_file_is_named(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ModelError, match=r"Cannot read .*model\.safetensors"):
        decoder.read(folder)


def test_a_head_that_differs_from_the_embedding_it_is_tied_to_is_refused(
    folder: Path,
) -> None:
    file = folder / "model.safetensors"
    weights = load_file(file)
    embedding = weights[decoder.EMBEDDING]
    save_file({**weights, decoder.HEAD: embedding.clone()}, file)
    assert decoder.read(folder).is_tied
    save_file({**weights, decoder.HEAD: embedding + 1}, file)
    with pytest.raises(ModelError, match=r"the two differ"):
        decoder.read(folder)
