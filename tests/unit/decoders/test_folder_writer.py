from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from edgekit.decoders import folder_writer
from edgekit.errors import OutputError


def test_one_shard_is_there_at_a_time(tmp_path: Path) -> None:
    """Each shard is on the disk before the next is made."""
    source = tmp_path / "source"
    source.mkdir()
    written = []

    def shards():  # type: ignore[no-untyped-def]
        for number in range(3):
            written.append(len(list(tmp_path.rglob("*.safetensors"))))
            yield {f"t{number}": torch.full((2,), float(number))}

    folder_writer.write(tmp_path / "out", {"a": 1}, shards(), files_of=source)
    assert written == [0, 1, 2]
    out = tmp_path / "out"
    index = json.loads((out / "model.safetensors.index.json").read_text())
    assert index["metadata"] == {"total_size": 24}
    for name, file in index["weight_map"].items():
        assert load_file(out / file)[name].tolist() == [float(name[1:])] * 2
    assert json.loads((out / "config.json").read_text()) == {"a": 1}


def test_code_and_weights_are_not_copied(tmp_path: Path) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    for folder in (source, out):
        folder.mkdir()
    names = ("modeling.py", "model.safetensors", "pytorch_model.bin", "config.json")
    kept = ("tokenizer.json", "chat_template.jinja", "LICENSE.txt", "merges.txt")
    for name in (*names, *kept):
        (source / name).write_text(name)
    folder_writer.copy_files(source, out)
    assert {file.name for file in out.iterdir()} == set(kept)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(OutputError, match="file"),
        folder_writer.new_folder(tmp_path / "file" / "out"),
    ):
        pass
