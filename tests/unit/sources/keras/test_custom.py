"""Layers of the author's own, written in torch in a file of the user's."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

import edgekit as ek
from edgekit import sources
from edgekit.errors import EdgeKitError, ModelError
from edgekit.program.program import Program
from edgekit.types import ModelSpec
from tests.conftest import Run
from tests.unit.sources.keras.files import layer, listed, numbers

LAYERS = '''
import torch
from torch import nn


class Scale(nn.Module):
    """A factor for each channel, which are last in a Keras file."""

    def __init__(self, config, weights):
        super().__init__()
        self.factor = nn.Parameter(weights[0])
        self.power = config["power"]

    def forward(self, x):
        return (x * self.factor) ** self.power


def halved(x):
    return x / 2


def broken(x):
    return x @ torch.zeros(7, 7)
'''
FACTOR, KERNEL = numbers(3), numbers(3, 5)


def model(path: Path, custom: str = "Scale", last: str = "halved") -> Path:
    """An image through a custom layer, a pooling, a layer and a Lambda."""
    image = {"name": "image", "batch_input_shape": [None, 4, 6, 3]}
    layers = [
        {"class_name": "InputLayer", "name": "image", "config": image, "inbound_nodes": []},
        layer(custom, "mine", "image", power=2),
        layer("GlobalAveragePooling2D", "pool", "mine", data_format="channels_last"),
        layer("Dense", "head", "pool", units=5, activation="linear", use_bias=False),
        layer("Lambda", last, "head", function=["never run", None, None]),
    ]  # fmt: skip
    config = {
        "class_name": "Functional",
        "config": {
            "name": "m",
            "layers": layers,
            "input_layers": [["image", 0, 0]],
            "output_layers": [[last, 0, 0]],
        },
    }
    weights = {
        "mine": [("mine/factor:0", FACTOR)],
        "head": [("head/kernel:0", KERNEL)],
    }
    weights |= {key: [] for key in ("image", "pool", last)}
    return listed(path, config, weights, "2.15.0")


def load(folder: Path, source: str, custom: str | None = "layers.py") -> Program:
    (folder / "layers.py").write_text(LAYERS)
    return sources.load(ModelSpec(source=source, custom_objects=custom), root=folder)


@pytest.mark.parametrize("kind", ["Scale", "package>Scale"])
def test_a_class_and_a_lambda_are_the_users(tmp_path: Path, kind: str) -> None:
    model(tmp_path / "m.h5", kind)
    program = load(tmp_path, "m.h5")
    x = numbers(2, 4, 6, 3)
    with torch.no_grad():
        found = program.module(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()))
    want = ((x * FACTOR) ** 2).mean((1, 2)) @ KERNEL / 2
    np.testing.assert_allclose(found.numpy(), want, rtol=1e-4, atol=1e-6)
    names = [name for name, _ in program.module.named_parameters()]
    assert "mine.own.factor" in names
    assert "your own" not in " ".join(names)
    assert "nothing checks: mine, halved" in program.remarks[-1]


def test_inspect_takes_them_without_a_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.chdir(tmp_path)
    model(tmp_path / "m.h5")
    (tmp_path / "layers.py").write_text(LAYERS)
    code, _, said = run("inspect", "m.h5")
    assert code and "custom_objects" in said
    code, found, said = run(
        "inspect", "m.h5", "--custom-objects", "layers.py", "--json"
    )
    assert code == 0, said
    assert json.loads(found)["outputs"][0]["shape"] == [5]


def test_its_weights_train(tmp_path: Path) -> None:
    model(tmp_path / "m.h5")
    program = load(tmp_path, "m.h5")
    program.module(*program.example(2)).sum().backward()
    factor = dict(program.module.named_parameters())["mine.own.factor"]
    assert factor.grad is not None and factor.grad.abs().sum() > 0


def test_an_archive_of_keras_3_holds_its_weights_anywhere(tmp_path: Path) -> None:
    def entry(kind: str, name: str, home: str, **values: Any) -> dict[str, Any]:
        registered = None if home else f"mine>{kind}"
        config = {"name": name, "trainable": True, **values}
        return {
            "class_name": kind,
            "module": home or "mine",
            "registered_name": registered,
            "config": config,
        }

    config = {
        "class_name": "Sequential",
        "module": "keras",
        "registered_name": "Sequential",
        "config": {
            "name": "s",
            "layers": [
                entry("InputLayer", "x", "keras.layers", batch_shape=[None, 3]),
                entry("Scale", "mine", "", power=2),
            ],
        },
    }
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["layers/scale/inside/vars/0"] = FACTOR
        file.create_group("layers/scale/vars")
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.5.0"}))
        archive.write(tmp_path / "w.h5", "model.weights.h5")
    program = load(tmp_path, "m.keras")
    x = torch.from_numpy(numbers(2, 3))
    with torch.no_grad():
        found = program.module(x)
    np.testing.assert_allclose(found, (x.numpy() * FACTOR) ** 2, rtol=1e-5)


@pytest.mark.parametrize(
    ("kind", "last", "said"),
    [
        ("Own", "halved", "Layer 'mine' is of the class 'Own'"),
        ("package>Own", "halved", "Layer 'mine' is of the author's own class 'Own'"),
        ("Scale", "tripled", "Layer 'tripled' is a Lambda"),
    ],
)
def test_what_is_missing_is_named_with_the_key(
    tmp_path: Path, kind: str, last: str, said: str
) -> None:
    model(tmp_path / "m.h5", kind, last)
    for custom in ("layers.py", None):
        with pytest.raises(ModelError) as caught:
            load(tmp_path, "m.h5", custom)
        if custom:
            assert said in str(caught.value)
        assert '[model] custom_objects = "layers.py"' in str(caught.value)
        assert "\n" not in str(caught.value)


def test_an_error_in_it_names_its_line(tmp_path: Path) -> None:
    model(tmp_path / "m.h5", last="broken")
    with pytest.raises(EdgeKitError, match=r"layers\.py:\d+: RuntimeError"):
        load(tmp_path, "m.h5")


@pytest.mark.parametrize(
    ("text", "said"), [(None, "No Python file"), ("def f(:\n", "SyntaxError")]
)
def test_a_file_that_cannot_be_read_is_refused(
    tmp_path: Path, text: str | None, said: str
) -> None:
    model(tmp_path / "m.h5")
    if text is not None:
        (tmp_path / "own.py").write_text(text)
    with pytest.raises(ModelError, match=said):
        load(tmp_path, "m.h5", "own.py")


def test_other_kinds_of_files_have_no_such_layers(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").touch()
    with pytest.raises(ModelError, match=r"Keras model .* is not"):
        load(tmp_path, "net.onnx")


def test_the_library_and_the_project_take_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model(tmp_path / "m.h5")
    load(tmp_path, "m.h5")
    network = ek.load("m.h5", custom_objects="layers.py")
    assert [spec.shape for spec in network.inputs] == [(3, 4, 6)]
