"""Keras files: those that Keras itself wrote, and ones in the forms of old versions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from edgekit import sources
from edgekit.errors import ModelError
from edgekit.program.program import Program
from edgekit.sources.keras import reader, reference
from edgekit.sources.keras.load import load
from edgekit.types import InputSpec, ModelSpec

DATA = Path(__file__).with_name("data")
FILES = sorted(path.name for path in DATA.iterdir() if path.suffix in (".keras", ".h5"))
LAYERS = {
    "activations": ("activation_layers.keras",),
    "attention": ("attention.keras",),
    "convolution": (
        "channels_first.keras",
        "convolutions.keras",
        "three_dimensions.keras",
        "transposed.keras",
    ),
    "core": ("tokens.h5", "tokens.keras", "vectors.keras"),
    "merging": ("merging.keras",),
    "normalization": ("normalizations.h5", "normalizations.keras"),
    "operations": (
        "nested.h5",
        "nested.keras",
        "shared_models.h5",
        "shared_models.keras",
    ),
    "pooling": ("pooling.keras",),
    "preprocessing": ("preprocessing.keras",),
    "recurrent": ("recurrent.keras",),
    "reshaping": ("one_dimension.keras",),
    "wrappers": ("recurrent.h5",),
}
"""The files with layers of each family."""
DEFINITIONS = {
    "activations": LAYERS["activations"],
    "attention": LAYERS["attention"],
    "convolution": (*LAYERS["convolution"], *LAYERS["pooling"]),
    "elements": (
        *LAYERS["merging"],
        *LAYERS["normalization"],
        "vectors.keras",
    ),
    "recurrent": (*LAYERS["recurrent"], *LAYERS["wrappers"]),
    "shapes": (*LAYERS["preprocessing"], *LAYERS["reshaping"]),
    "walk": (*LAYERS["operations"], "tokens.h5", "tokens.keras"),
}
"""The same by the families of their definitions."""
INPUT = {
    "class_name": "InputLayer",
    "config": {"name": "x", "batch_input_shape": [None, 4]},
}
CHANCE = np.random.default_rng(5)


def stored(name: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Keras's inputs and outputs of a model, in Keras's own order of dimensions."""
    with np.load(DATA / f"{Path(name).stem}.npz") as arrays:
        count = sum(key.startswith("x") for key in arrays.files)
        inputs = [arrays[f"x{n}"] for n in range(count)]
        outputs = [arrays[f"y{n}"] for n in range(len(arrays.files) - count)]
    return inputs, outputs


def leaves(found: Any) -> list[torch.Tensor]:
    """Tensors in the order in which Keras lists them."""
    if isinstance(found, torch.Tensor):
        return [found]
    each = [found[name] for name in sorted(found)] if isinstance(found, dict) else found
    return [tensor for one in each for tensor in leaves(one)]


def listed(
    path: Path,
    config: Any,
    weights: Mapping[str, Sequence[tuple[str, np.ndarray]]],
    version: str | None,
) -> Path:
    """An HDF5 file as Keras 1 and 2 write it."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config).encode()
        top = file.create_group("model_weights")
        top.attrs["layer_names"] = [name.encode() for name in weights]
        if version is not None:
            file.attrs["keras_version"] = version.encode()
            file.attrs["backend"] = b"tensorflow"
        for layer, arrays in weights.items():
            group = top.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name, _ in arrays]
            for name, array in arrays:
                group[name] = array
    return path


def sequential(*layers: dict[str, Any]) -> dict[str, Any]:
    """The configuration of layers in a row."""
    return {"class_name": "Sequential", "config": {"name": "s", "layers": list(layers)}}


def refused(path: Path, *said: str) -> None:
    """The file does not load, and one line has the reason."""
    with pytest.raises(ModelError) as error:
        load(path)
    message = str(error.value)
    assert "\n" not in message
    assert all(part in message for part in said), message


def numbers(*shape: int) -> np.ndarray:
    return CHANCE.normal(0, 0.5, shape).astype(np.float32)


def output(path: Path, x: np.ndarray) -> np.ndarray:
    """Output of the network of a file, without the comparison of `load`."""
    with torch.no_grad():
        found: np.ndarray = reader.read(path).network(torch.from_numpy(x)).numpy()
    return found


def layer(kind: str, name: str, *inbound: Any, **values: Any) -> dict[str, Any]:
    """A layer of a functional model, called once on others."""
    nodes = [[[each, 0, 0, {}] for each in inbound]] if inbound else []
    config = {"name": name, "trainable": True, **values}
    return {"class_name": kind, "name": name, "config": config, "inbound_nodes": nodes}


def source(name: str, **more: InputSpec) -> Program:
    """The program of a file as a project names it."""
    return sources.load(ModelSpec(source=name, **more), root=DATA)


def network_agrees(name: str) -> None:
    """The network of a file gives what Keras gave."""
    model = reader.read(DATA / name)
    inputs, outputs = stored(name)
    images = model.channels_last
    given = [torch.from_numpy(x) for x in inputs]
    given = [x.movedim(-1, 1) if images and x.ndim > 3 else x for x in given]
    assert [spec.shape for spec in model.inputs] == [tuple(x.shape[1:]) for x in given]
    with torch.no_grad():
        found = leaves(model.network(*given))
    found = [y.movedim(1, -1) if images and y.ndim > 3 else y for y in found]
    assert len(found) == len(outputs)
    for ours, theirs in zip(found, outputs, strict=True):
        assert ours.shape == theirs.shape
        assert np.ptp(theirs) > 1e-3
        assert np.abs(ours.numpy() - theirs).max() <= 1e-5 * np.ptp(theirs)


def definitions_agree(name: str) -> None:
    """The definitions of a file's layers give what Keras gave."""
    model = reader.read(DATA / name)
    inputs, outputs = stored(name)
    found = reference.Walk(model.graph, model.weights, inputs).outputs()
    if isinstance(model.graph.outputs, dict):
        order = np.argsort(list(model.graph.outputs))
        found = [found[n] for n in order]
    for ours, theirs in zip(found, outputs, strict=True):
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() <= 1e-5 * np.ptp(theirs)
