"""Weights of a folder: whole, in shards, or in a checked pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.unit.sources.huggingface import folders
from tests.unit.sources.huggingface.folders import length, load, refused, tokens
from tests.zoo.exactness import outputs, relative_error


def test_a_pickle_with_more_than_tensors_is_not_opened(folder: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (folder / "ran",))

    (folder / "model.safetensors").unlink()
    torch.save({"weight": Evil()}, folder / "pytorch_model.bin")
    refused(folder, "--allow-pickle")
    assert not (folder / "ran").exists()


@pytest.mark.parametrize("place", ["../model.safetensors", "/etc/passwd", 3])
def test_shards_are_files_of_the_folder(folder: Path, place: object) -> None:
    (folder / "model.safetensors").rename(folder / "shard.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"classifier.bias": place}}))
    refused(folder, "is not a file of the folder")
    index.write_text(json.dumps({"weight_map": {"unheard": "shard.safetensors"}}))
    refused(folder, "names unheard in shard.safetensors")


@pytest.mark.parametrize("size", [0, 7, 200, 600])
@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_files_that_end_early(folder: Path, name: str, size: int) -> None:
    content = (folder / name).read_bytes()
    assert size < len(content)
    (folder / name).write_bytes(content[:size])
    refused(folder, "Cannot read")


def test_weights_without_numbers_are_refused(folder: Path) -> None:
    stored = load_file(folder / "model.safetensors")
    stored["classifier.bias"][0] = float("nan")
    save_file(stored, folder / "model.safetensors", {"format": "pt"})
    refused(folder, r"classifier\.bias has 1 NaN")


def test_shards_and_pickled_tensors_are_read(tmp_path: Path) -> None:
    network = folders.distilbert(tmp_path / "whole")
    network.save_pretrained(tmp_path / "shards", max_shard_size="10KB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 1
    folders.distilbert(tmp_path / "pickle")
    (tmp_path / "pickle" / "model.safetensors").unlink()
    torch.save(network.state_dict(), tmp_path / "pickle" / "pytorch_model.bin")
    given = tokens(2, 6)
    for kind in ("shards", "pickle"):
        program = load(tmp_path / kind, input=length(6))
        with torch.no_grad():
            expected = network(given[0], attention_mask=given[1]).logits
        assert relative_error(outputs(program, given), [expected]) < 1e-5
