from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.commands.scaffold import write
from edgekit.config import project
from edgekit.errors import ModelError, OutputError
from edgekit.types import ModelSpec, Preprocess
from tests import texts


def test_what_the_folder_shows_is_filled_in(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("def helper(x): ...\n\ndef build(width=8): ...\n")
    (tmp_path / "trained.safetensors").write_bytes(b"")
    for split in ("train", "test"):
        place = tmp_path / "images" / split / "cat"
        place.mkdir(parents=True)
        Image.new("L", (20, 12)).save(place / "0.png")
    file, lines = write(tmp_path)
    one = project.load(tmp_path)
    assert one.model.source == "net.py:build"
    assert one.model.weights == "trained.safetensors"
    assert one.model.input is not None and one.model.input.shape == (1, 12, 20)
    assert (one.data.train, one.data.test) == ("images/train", "images/test")
    assert "TODO" not in file.read_text()
    assert any("net.py:build" in line for line in lines)


def test_an_empty_folder_gives_a_file_that_reads(tmp_path: Path) -> None:
    file, lines = write(tmp_path)
    project.load(tmp_path)
    assert "TODO" in file.read_text()
    assert sum("not found" in line for line in lines) == 5
    assert any("such as build() in model.py" in line for line in lines)


def test_arrays_give_the_shape(tmp_path: Path) -> None:
    np.savez(tmp_path / "train.npz", x=np.zeros((4, 6, 5, 3), np.uint8), y=np.zeros(4))
    write(tmp_path)
    one = project.load(tmp_path)
    assert one.model.input is not None and one.model.input.shape == (3, 6, 5)
    assert one.data.train == "train.npz"


def test_a_source_with_its_own_weights_and_shape_needs_none(tmp_path: Path) -> None:
    (tmp_path / "net.pt2").touch()
    file, lines = write(tmp_path)
    one = project.load(tmp_path)
    assert one.model == ModelSpec(source="net.pt2")
    assert "the weights are in net.pt2" in file.read_text()
    assert not any(line.startswith(("weights", "input shape")) for line in lines)


def test_the_sources_own_preprocessing_is_filled_in(tmp_path: Path) -> None:
    folder = tmp_path / "network"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "vit"}')
    processor = {
        "image_mean": [0.5, 0.4, 0.3],
        "image_std": [0.2, 0.3, 0.4],
        "rescale_factor": 1 / 127.5,
        "resample": 3,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    _, lines = write(tmp_path)
    one = project.load(tmp_path)
    assert one.model == ModelSpec(source="network")
    assert one.data.preprocess == Preprocess(
        scale=127.5, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4), resize="bicubic"
    )
    assert "mean and std: as network has them" in lines


def test_a_named_network_goes_before_what_is_found(tmp_path: Path) -> None:
    (tmp_path / "net.pt2").touch()
    (tmp_path / "other.onnx").touch()
    write(tmp_path, model="other.onnx")
    assert project.load(tmp_path).model == ModelSpec(source="other.onnx")
    with pytest.raises(ModelError, match="Cannot load a network from 'missing'"):
        write(tmp_path, force=True, model="missing")


def test_a_project_file_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "edgekit.toml").write_text("# mine")
    with pytest.raises(OutputError, match="--force"):
        write(tmp_path)
    assert (tmp_path / "edgekit.toml").read_text() == "# mine"
    write(tmp_path, force=True)
    assert "[model]" in (tmp_path / "edgekit.toml").read_text()


def test_a_folder_with_a_tokenizer_gives_texts(tmp_path: Path) -> None:
    bert = texts.write(tmp_path / "bert")
    (bert / "config.json").write_text('{"model_type": "bert", "vocab_size": 90}')
    (tmp_path / "train.csv").write_text("text,label\ngood,1\n")
    file, lines = write(tmp_path)
    found = project.load(tmp_path)
    assert found.model.source == found.data.text.tokenizer == "bert"
    assert found.data.train == "train.csv"
    assert "tokenizer: bert" in lines
    assert "[data.preprocess]" not in file.read_text()
    (bert / "vocab.txt").rename(bert / "spiece.model")
    assert not any("tokenizer" in line for line in write(tmp_path, force=True)[1])
    (bert / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match=r"tokenizer\.json"):
        write(tmp_path, force=True)
