"""Every kind of file from outside: a sound one, and how EdgeKit reads it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edgekit.errors import ArtifactError
from tests.robustness import saved_model
from tests.robustness.test_records import RECORD

Read = Callable[[Path], object]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """`make` writes a sound file into a folder; `damage` is what `mutate.of` calls it."""

    name: str
    file: str
    damage: str
    make: Callable[[Path], None]
    read: Read
    slow: bool = False
    """True where each try starts a process."""
    missing: str = ""
    """The reason why it cannot be tried here; empty where it can."""


def _dataset(path: Path) -> object:
    from edgekit import data
    from edgekit.types import InputSpec, Preprocess

    shape = InputSpec(shape=(1, 8, 8))
    found = data.load(path.name, root=path.parent, input=shape, preprocess=Preprocess())
    return found.arrays()


def _arrays(folder: Path) -> dict[str, Any]:
    chance = np.random.default_rng(0)
    x = chance.random((12, 1, 8, 8)).astype(np.float32)
    return {"x": x, "y": np.arange(12) % 3}


def _npz(folder: Path) -> None:
    np.savez(folder / "d.npz", **_arrays(folder))


def _npy(folder: Path) -> None:
    np.save(folder / "d.npy", _arrays(folder)["x"])


def _read_npy(path: Path) -> object:
    from edgekit.diff.inputs import load_array

    return load_array(path)


def _parquet(folder: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    arrays = _arrays(folder)
    rows = {"x": arrays["x"].reshape(12, -1).tolist(), "label": arrays["y"].tolist()}
    table = pyarrow.table(rows)
    named = json.dumps({"info": {"features": {"label": {"names": ["a", "b", "c"]}}}})
    table = table.replace_schema_metadata({"huggingface": named})
    pyarrow.parquet.write_table(table, folder / "d.parquet")


def _image(form: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        place = folder / "images" / "class"
        place.mkdir(parents=True)
        pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
        Image.fromarray(pixels).save(place / f"a.{form}")

    return make


def _read_images(path: Path) -> object:
    return _dataset(path.parents[1])


def _mask(folder: Path) -> None:
    for name in ("images", "masks"):
        (folder / name).mkdir()
        pixels = np.arange(64, dtype=np.uint8).reshape(8, 8) % 3
        Image.fromarray(pixels).save(folder / name / "a.png")


def _read_mask(path: Path) -> object:
    from edgekit import data
    from edgekit.types import InputSpec, Preprocess

    return data.load(
        ".",
        root=path.parents[1],
        input=InputSpec(shape=(1, 8, 8)),
        preprocess=Preprocess(),
        kind="segmentation",
    )


def _record(folder: Path) -> None:
    (folder / "r.json").write_text(json.dumps(RECORD, indent=1))


def _history(folder: Path) -> None:
    (folder / "h.jsonl").write_text((json.dumps(RECORD) + "\n") * 2)


def _read_record(path: Path) -> object:
    from edgekit.bench import gate, history

    found = history.read(path)
    return gate.facts(found, found)


def _report(folder: Path) -> None:
    candidate = {
        "artifact": {
            "name": "litert-fp32",
            "runtime": "litert",
            "precision": "fp32",
            "files": ["model.tflite"],
            "inputs": [{"layout": None}],
        },
        "measurement": RECORD["measurement"],
        "evaluation": {"metric": "accuracy", "value": 0.9, "samples": 10},
        "chosen": True,
    }
    report = {
        "created": "2026-01-02T03:04:05+00:00",
        "target": {"image": "linux/arm64", "threads": 2},
        "student": {"macs": 1, "parameters": 1},
        "candidates": [candidate],
    }
    (folder / "report.json").write_text(json.dumps(report))
    (folder / "model.tflite").write_bytes(b"model")
    tensor = {"name": "x", "shape": [1, 3], "dtype": "float32", "layout": None}
    manifest = {
        "schema_version": 3,
        "project": "p",
        "target": "t",
        "created": "2026-01-02T03:04:05+00:00",
        "source_sha256": "0",
        "versions": {"edgekit": "1"},
        "model": {
            "artifact": "litert-fp32",
            "runtime": "litert",
            "precision": "fp32",
            "runtime_options": {"threads": None, "options": {}},
            "files": ["model.tflite"],
        },
        "contract": {
            "inputs": [tensor],
            "outputs": [tensor],
            "preprocessing": {"formula": "", "scale": 1.0, "mean": [0.0], "std": [1.0]},
            "labels": ["a"],
            "task": "classification",
            "folded": None,
        },
        "files": [_entry(folder, name) for name in ("model.tflite", "report.json")],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


def _entry(folder: Path, name: str) -> dict[str, Any]:
    content = (folder / name).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return {"path": name, "sha256": digest, "size_bytes": len(content)}


def _read_report(path: Path) -> object:
    """With a manifest that vouches for it, as an attacker's does."""
    manifest = path.with_name("manifest.json")
    content = json.loads(manifest.read_text())
    content["files"][1] = _entry(path.parent, path.name)
    manifest.write_text(json.dumps(content))
    read_one_by_one(_read_record, path)
    return _read_bundle(path)


def read_one_by_one(read: Read, path: Path) -> None:
    """Both readers see every file, though the first one refuses it."""
    from edgekit.errors import EdgeKitError

    try:
        read(path)
    except EdgeKitError as error:
        assert "\n" not in str(error)


def _read_bundle(path: Path) -> object:
    from edgekit.bench.artifact import artifact_at
    from edgekit.package.docker import image
    from edgekit.package.opened import open_bundle

    read_one_by_one(lambda p: artifact_at(p.with_name("model.tflite")), path)
    opened = open_bundle(path.parent)
    names = image.models_for(opened, "litert")
    return opened.name, opened.target, opened.epoch, names


_PROJECT = """\
name = "p"

[model]
source = "model.py:build"
weights = "w.safetensors"
input = { shape = [1, 8, 8] }

[data]
train = "d.npz"
test = "d.npz"

[data.preprocess]
scale = 255.0
mean = [0.5]
std = [0.5]

[budget]
speedup = 2.0
accuracy_drop = 0.01

[recipe.distill]
epochs = 1
"""


def _project(folder: Path) -> None:
    (folder / "edgekit.toml").write_text(_PROJECT)


def _read_project(path: Path) -> object:
    from edgekit.config import project

    return project.load(path.parent)


def _target(folder: Path) -> None:
    from edgekit.config.resources import shipped

    source = next(iter(sorted(shipped("targets").glob("raspberrypi4*.toml"))))
    (folder / "board.toml").write_bytes(source.read_bytes())


def _read_target(path: Path) -> object:
    from edgekit.config import targets

    return targets.load("board", folders=[path.parent])


def _preset(folder: Path) -> None:
    from edgekit.config.resources import shipped

    source = next(iter(sorted(shipped("calibration").glob("*.toml"))))
    (folder / "mine.toml").write_bytes(source.read_bytes())


def _read_preset(path: Path) -> object:
    from edgekit.data.calibration import load_preset

    return load_preset("mine", folders=[path.parent])


def _network() -> Any:
    import torch
    from torch import nn

    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(144, 3),
    )


def _pt2(folder: Path) -> None:
    from edgekit.program.program import trace
    from edgekit.types import InputSpec

    spec = (InputSpec(name="x", shape=(1, 8, 8)),)
    trace(_network(), spec).save(folder / "net.pt2")


def _read_pt2(path: Path) -> object:
    from edgekit.program.program import load

    return load(path)


def _safetensors(folder: Path) -> None:
    from safetensors.torch import save_file

    save_file(_network().state_dict(), folder / "w.safetensors")


def _pt(folder: Path) -> None:
    import torch

    torch.save(_network().state_dict(), folder / "w.pt")


def _read_weights(path: Path) -> object:
    from edgekit import sources
    from edgekit.types import InputSpec, ModelSpec

    (path.parent / "model.py").write_text(
        "from tests.robustness.readers import _network as build\n"
    )
    spec = ModelSpec(
        source="model.py:build", weights=path.name, input=InputSpec(shape=(1, 8, 8))
    )
    return sources.load(spec, root=path.parent)


_TENSOR = {"name": "x", "shape": [1, 16], "dtype": "float32", "layout": None}
_CONTRACT: dict[str, Any] = {
    "edgekit": "1",
    "source_sha256": "0",
    "precision": "fp32",
    "inputs": [_TENSOR],
    "outputs": [_TENSOR],
    "preprocessing": {"formula": "", "scale": 1.0, "mean": [0.0], "std": [1.0]},
    "labels": ["a", "b"],
    "task": "classification",
    "folded": None,
}


def _onnx(folder: Path) -> None:
    from onnx import TensorProto, helper, numpy_helper, save_model

    from edgekit.runtimes.contract import embed

    weights = np.random.default_rng(0).random((16, 3)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["a"]),
            helper.make_node("Relu", ["a"], ["y"]),
        ],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(weights, "w")],
    )
    opset = [helper.make_opsetid("", 17)]
    made = helper.make_model(graph, opset_imports=opset, ir_version=8)
    save_model(made, folder / "m.onnx")
    embed(folder / "m.onnx", _CONTRACT)


def _onnx_source(folder: Path) -> None:
    from tests.unit.sources.onnx.models import classifier

    classifier(folder / "net.onnx")


def _read_source(path: Path) -> object:
    from edgekit import sources
    from edgekit.types import ModelSpec

    return sources.load(ModelSpec(source=path.name), root=path.parent)


def _tflite(folder: Path) -> None:
    from edgekit.runtimes.contract import embed
    from edgekit.runtimes.litert.microbenchmark import model
    from edgekit.types.operator_shape import OperatorShape

    operator = OperatorShape(
        kind="conv", inputs=4, outputs=4, size=(8, 8), kernel=(3, 3), padding=(1, 1)
    )
    (folder / "m.tflite").write_bytes(model(operator, "fp32"))
    embed(folder / "m.tflite", _CONTRACT)


def _openvino(folder: Path) -> None:
    import sys

    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import openvino

    _onnx(folder)
    model = openvino.Core().read_model(str(folder / "m.onnx"))
    openvino.save_model(model, str(folder / "m.xml"), compress_to_fp16=False)
    from edgekit.runtimes.contract import embed

    embed(folder / "m.xml", _CONTRACT)


def _read_said(path: Path) -> object:
    from edgekit.bench.artifact import artifact_at
    from edgekit.runtimes import contract

    artifact_at(path)
    return contract.read(path)


def _read_model(path: Path) -> object:
    """As the gate does: opened by its runtime in a process, one in eight in a fresh Python."""
    from edgekit.bench.artifact import artifact_at, opened

    found = artifact_at(path.with_suffix(".xml") if path.suffix == ".bin" else path)
    if zlib.crc32(path.read_bytes()) % 8 == 0:
        return opened(found)
    process = os.fork()
    if not process:
        os._exit(_verified(found.runtime, found.files[0]))
    _, status = os.waitpid(process, 0)
    if status:
        raise ArtifactError(f"{path} is refused by its runtime ({status}).")
    return None


def _verified(runtime: str, path: Path) -> int:
    """In a forked process, which costs less than a fresh one: what the agent does with it."""
    from edgekit.agent.__main__ import perform

    job = {"schema": 2, "kind": "verify", "runtime": runtime, "path": str(path)}
    try:
        perform({**job, "timeout_s": 60})
    except BaseException:  # noqa: BLE001
        return 1  # the agent's own process ends with an error, whatever it is
    return 0


_WRITTEN = Path(__file__).parents[1] / "unit" / "sources"


def _written(kind: str, file: str) -> Callable[[Path], None]:
    """A file that the format's own library wrote, as it lies with the tests of its source."""

    def make(folder: Path) -> None:
        (folder / file).write_bytes((_WRITTEN / kind / "data" / file).read_bytes())

    return make


def _hugging_face(folder: Path) -> None:
    from tests.unit.sources.huggingface.folders import distilbert

    distilbert(folder / "net", layers=1)


def _tokenizer(folder: Path) -> None:
    """A tokenizer of words, as the package tokenizers writes it."""
    from edgekit.program import tokenizer
    from tests import texts

    found = tokenizer.read(texts.write(folder / "slow"))
    assert found is not None
    (folder / tokenizer.FILE).write_text(found.content, encoding="utf-8")
    config = {
        "pad_token": {"content": "[PAD]"},
        "eos_token": "[SEP]",
        "padding_side": "left",
        "truncation_side": "right",
        "do_lower_case": True,
        "model_max_length": 12,
        "tokenizer_class": "BertTokenizer",
    }
    (folder / tokenizer.CONFIG).write_text(json.dumps(config))


def _read_tokenizer(path: Path) -> object:
    """The tokenizer, and texts through it."""
    from edgekit.data import text_input
    from edgekit.types import InputSpec, TextSpec

    specs = [
        InputSpec(name=name, shape=(8,), dtype="int64")
        for name in ("input_ids", "attention_mask")
    ]
    how = text_input.text_input(specs, TextSpec(tokenizer="."), None, path.parent)
    assert how is not None
    return how.encode(["good film", "", "日本 👍 \0"], "texts"), how.contract


def _vocabulary(folder: Path) -> None:
    from tests import texts

    texts.write(folder)


def _folder_tokenizer(folder: Path) -> None:
    from tests.unit.sources.huggingface import folders

    folders.bert(folder / "net", layers=1)
    folders.word_piece(folder / "net")


def _read_folder(path: Path) -> object:
    return _read_source(path.parent)


def _read_saved_model(path: Path) -> object:
    saved_model.forks()
    return _read_source(next(p for p in path.parents if p.name == saved_model.FOLDER))


def _address(folder: Path) -> None:
    (folder / "address").write_text(
        "container:name/image:1?cpus=0.5&memory=256m&cpuset=0&platform=linux/arm64"
    )


def _ssh(folder: Path) -> None:
    (folder / "address").write_text(
        "ssh://pi@board.example:2222?python=/usr/bin/python3"
    )


def _read_address(path: Path) -> object:
    from edgekit.devices.container import ContainerLink
    from edgekit.devices.remote import RemoteDevice
    from edgekit.devices.resolve import resolve

    found = resolve(path.read_bytes().decode("utf-8", "replace"))
    if isinstance(found, RemoteDevice) and isinstance(found.link, ContainerLink):
        assert not found.link.image.startswith("-")
    return found


def _stream(folder: Path) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **_arrays(folder))
    return stream.getvalue()


KINDS = (
    Kind(name="npz", file="d.npz", damage="zip", make=_npz, read=_dataset),
    Kind(name="npy", file="d.npy", damage="bytes", make=_npy, read=_read_npy),
    Kind(
        name="parquet", file="d.parquet", damage="bytes", make=_parquet, read=_dataset
    ),
    *(
        Kind(
            name=form,
            file=f"images/class/a.{form}",
            damage="bytes",
            make=_image(form),
            read=_read_images,
        )
        for form in ("png", "jpg", "gif", "bmp", "webp", "tiff")
    ),
    Kind(name="mask", file="masks/a.png", damage="bytes", make=_mask, read=_read_mask),
    Kind(name="record", file="r.json", damage="json", make=_record, read=_read_record),
    Kind(
        name="history", file="h.jsonl", damage="bytes", make=_history, read=_read_record
    ),
    Kind(
        name="report",
        file="report.json",
        damage="json",
        make=_report,
        read=_read_report,
    ),
    Kind(
        name="manifest",
        file="manifest.json",
        damage="json",
        make=_report,
        read=_read_bundle,
    ),
    Kind(
        name="project",
        file="edgekit.toml",
        damage="toml",
        make=_project,
        read=_read_project,
    ),
    Kind(
        name="target", file="board.toml", damage="toml", make=_target, read=_read_target
    ),
    Kind(
        name="preset", file="mine.toml", damage="toml", make=_preset, read=_read_preset
    ),
    Kind(name="pt2", file="net.pt2", damage="zip", make=_pt2, read=_read_pt2),
    Kind(name="pt", file="w.pt", damage="zip", make=_pt, read=_read_weights),
    Kind(
        name="safetensors",
        file="w.safetensors",
        damage="bytes",
        make=_safetensors,
        read=_read_weights,
    ),
    Kind(name="onnx read", file="m.onnx", damage="bytes", make=_onnx, read=_read_said),
    Kind(
        name="xml read", file="m.xml", damage="bytes", make=_openvino, read=_read_said
    ),
    Kind(
        name="tflite read",
        file="m.tflite",
        damage="bytes",
        make=_tflite,
        read=_read_said,
    ),
    Kind(
        name="onnx source",
        file="net.onnx",
        damage="bytes",
        make=_onnx_source,
        read=_read_source,
        slow=True,
    ),
    Kind(
        name="onnx",
        file="m.onnx",
        damage="bytes",
        make=_onnx,
        read=_read_model,
        slow=True,
    ),
    Kind(
        name="xml",
        file="m.xml",
        damage="bytes",
        make=_openvino,
        read=_read_model,
        slow=True,
    ),
    Kind(
        name="bin",
        file="m.bin",
        damage="bytes",
        make=_openvino,
        read=_read_model,
        slow=True,
    ),
    Kind(
        name="tflite",
        file="m.tflite",
        damage="bytes",
        make=_tflite,
        read=_read_model,
        slow=True,
    ),
    Kind(
        name="keras",
        file="tokens.keras",
        damage="zip",
        make=_written("keras", "tokens.keras"),
        read=_read_source,
        slow=True,
    ),
    Kind(
        name="h5",
        file="tokens.h5",
        damage="bytes",
        make=_written("keras", "tokens.h5"),
        read=_read_source,
        slow=True,
    ),
    Kind(
        name="tflite-source",
        file="small.tflite",
        damage="bytes",
        make=_written("tflite", "small.tflite"),
        read=_read_source,
        slow=True,
    ),
    Kind(
        name="config.json",
        file="net/config.json",
        damage="json",
        make=_hugging_face,
        read=_read_folder,
        slow=True,
    ),
    Kind(
        name="folder weights",
        file="net/model.safetensors",
        damage="bytes",
        make=_hugging_face,
        read=_read_folder,
        slow=True,
    ),
    Kind(
        name="tokenizer",
        file="tokenizer.json",
        damage="json",
        make=_tokenizer,
        read=_read_tokenizer,
    ),
    Kind(
        name="tokenizer bytes",
        file="tokenizer.json",
        damage="bytes",
        make=_tokenizer,
        read=_read_tokenizer,
    ),
    Kind(
        name="tokenizer_config.json",
        file="tokenizer_config.json",
        damage="json",
        make=_tokenizer,
        read=_read_tokenizer,
    ),
    Kind(
        name="vocab.txt",
        file="vocab.txt",
        damage="bytes",
        make=_vocabulary,
        read=_read_tokenizer,
    ),
    Kind(
        name="folder tokenizer",
        file="net/tokenizer.json",
        damage="json",
        make=_folder_tokenizer,
        read=_read_folder,
        slow=True,
    ),
    *(
        Kind(
            name=Path(file).name.partition("-")[0],
            file=f"{saved_model.FOLDER}/{file}",
            damage="bytes",
            make=saved_model.make,
            read=_read_saved_model,
            slow=True,
            missing=saved_model.missing(),
        )
        for file in saved_model.FILES
    ),
    Kind(
        name="container:",
        file="address",
        damage="bytes",
        make=_address,
        read=_read_address,
    ),
    Kind(name="ssh://", file="address", damage="bytes", make=_ssh, read=_read_address),
)
