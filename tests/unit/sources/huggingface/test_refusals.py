"""Damaged folders, and those that ask for code, end in one line; nothing is fetched."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from edgekit import sources
from edgekit.errors import ModelError
from edgekit.program.program import Program
from edgekit.types import InputSpec, ModelSpec
from tests.unit.sources.huggingface import folders

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound") / "folder"
    folders.distilbert(folder)
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A copy of the sound folder to damage."""
    place = tmp_path / "folder"
    place.mkdir()
    for file in sound.iterdir():
        (place / file.name).write_bytes(file.read_bytes())
    return place


def load(folder: Path, **values: Any) -> Program:
    return sources.load(ModelSpec(source=folder.name, **values), root=folder.parent)


def refused(folder: Path, match: str, **values: Any) -> None:
    with pytest.raises(ModelError, match=match) as caught:
        load(folder, **values)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"auto_map": {"AutoModel": "modeling.Mine"}}, "auto_map names Python code"),
        ({"vision_config": {"auto_map": {"AutoModel": "m.M"}}}, "auto_map names"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quantization_config"),
        ({"use_pretrained_backbone": True}, "read offline"),
        ({"model_type": "unheard_of"}, "no model_type 'unheard_of'"),
        ({"model_type": "bert"}, "no architecture 'DistilBert"),
        ({"architectures": ["os.system"]}, "no architecture 'os.system'"),
        ({"architectures": ["PreTrainedModel"]}, "no architecture"),
        ({"architectures": ["DistilBertForMaskedLM"]}, "which would be random"),
        (
            {"model_type": "t5", "architectures": ["T5ForConditionalGeneration"]},
            "take turns",
        ),
        ({"n_layers": 10**9}, "n_layers is 1000000000"),
        ({"num_labels": 10**9, "id2label": None}, "num_labels is 1000000000"),
        ({"vocab_size": 10**10}, "config.json describes"),
        ({"dim": 24}, "Cannot read"),
        ({"dim": "wide"}, "Cannot read"),
        ({"n_heads": 0}, "Cannot read"),
    ],
)
def test_what_the_configuration_asks_for(
    folder: Path, values: dict[str, Any], match: str
) -> None:
    folders.changed(folder / "config.json", **values)
    refused(folder, match)


def test_code_beside_the_weights_never_runs(folder: Path) -> None:
    mark = folder / "ran"
    for name in ("modeling.py", "configuration.py", "__init__.py", "sitecustomize.py"):
        (folder / name).write_text(f"open({str(mark)!r}, 'w')\n")
    load(folder, input=InputSpec(shape=(6,)))
    assert not mark.exists()


def test_attention_from_elsewhere_is_left_out(folder: Path) -> None:
    folders.changed(
        folder / "config.json",
        _attn_implementation="kernels-community/flash-attn",
        attn_implementation="kernels-community/flash-attn",
        _name_or_path="somebody/network",
    )
    load(folder, input=InputSpec(shape=(6,)))


def test_nothing_is_fetched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: object, **named: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    load(folder, input=InputSpec(shape=(6,)))
    (folder / "model.safetensors").unlink()
    refused(folder, "No weights in")


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


def test_a_missing_tensor_is_named(folder: Path) -> None:
    stored = load_file(folder / "model.safetensors")
    del stored["classifier.weight"]
    save_file(stored, folder / "model.safetensors", {"format": "pt"})
    refused(folder, r"lacks classifier\.weight of DistilBert")


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


@pytest.mark.parametrize(
    ("file", "content", "match"),
    [
        ("modules.json", [], "does not begin with a Transformer"),
        (
            "modules.json",
            [{"type": "m.Transformer", "path": "../.."}],
            "is not a folder",
        ),
        ("modules.json", [{"type": "m.Transformer", "path": ""}], "one Pooling"),
        (
            "modules.json",
            [{"type": "m.Transformer", "path": ""}, {"type": "mine.Code", "path": "c"}],
            "the module Code is not supported",
        ),
        ("tokenizer_config.json", [], "is not an object"),
    ],
)
def test_files_beside_the_configuration(
    folder: Path, file: str, content: Any, match: str
) -> None:
    folders.write(folder / file, content)
    refused(folder, match)


def test_pooling_of_another_kind_is_named(tmp_path: Path) -> None:
    folders.sentences(tmp_path / "folder", "mean")
    pooling = tmp_path / "folder" / "1_Pooling" / "config.json"
    folders.write(pooling, {"pooling_mode_lasttoken": True})
    refused(tmp_path / "folder", "pooling_mode_lasttoken is not supported")
