"""Match stored arrays to layers: every layer's weights, in Keras's own order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from edgekit.errors import ModelError
from edgekit.sources.keras import legacy
from edgekit.sources.keras.archive import KerasFile
from edgekit.sources.keras.config import GraphConfig, LayerConfig

Weights = Mapping[str, tuple[np.ndarray, ...]]
"""A leaf layer's weights by its path: the names of the models around it and its own."""

_PARTS = (
    "layer", "forward_layer", "backward_layer", "cell", "query_dense", "key_dense",
    "value_dense", "output_dense",
)  # fmt: skip
"""Where layers keep others, in the order in which their weights are listed in an HDF5 file.
Keras 2 writes some with a leading underscore."""
_ESTIMATING = ("SpectralNormalization",)
"""Layers with a last weight of their own that only training uses."""
_OBJECT = "shared_object_id"
_TOPS = ("layers", "_layer_checkpoint_dependencies")
_STATES = re.compile(r"(seed_generator|StateVar|/seed$|_state$|/count(:\d+)?$)")
"""Names of arrays that are not weights: the states of random numbers, and counts."""


def of_layers(file: KerasFile, graph: GraphConfig) -> Weights:
    """The weights of every leaf layer; `ModelError` where the file lacks some."""
    if file.archived:
        return _with_shared(graph, dict(_archived(file, graph, "", "")))
    return dict(_listed(file, graph))


def _with_shared(
    graph: GraphConfig, found: dict[str, tuple[np.ndarray, ...]]
) -> Weights:
    """The same with the weights of layers that are in several models, which a `.keras` holds once:
    in the first model that has them."""
    leaves = dict(_leaves(graph, ""))
    stored = [path for path in leaves if found.get(path)]
    for path, layer in leaves.items():
        if not found.get(path):
            same = (p for p in stored if _is_shared(path, layer, p, leaves[p]))
            twin = next(same, None)
            if twin is not None:
                found[path] = found[twin]
    return found


def _is_shared(path: str, layer: LayerConfig, other: str, its: LayerConfig) -> bool:
    short, long = sorted((path, other), key=len)
    named = long.endswith(f"/{short}")
    return named and layer.kind == its.kind and _same(layer.values, its.values)


def _same(one: Any, other: Any) -> bool:
    """Return whether two configurations are equal but for the numbers of objects in the file."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        keys = {*one, *other} - {_OBJECT}
        return all(_same(one.get(key), other.get(key)) for key in keys)
    return bool(one == other)


def _archived(
    file: KerasFile, graph: GraphConfig, stored: str, path: str
) -> Iterator[tuple[str, tuple[np.ndarray, ...]]]:
    """The weights in a `.keras`, where a layer lies under its class and its number of that."""
    top = next((f"{stored}{top}/" for top in _TOPS if _holds(file, stored + top)), "")
    counts: dict[str, int] = {}
    for layer in graph.layers:
        if layer.operation or (layer.kind == "InputLayer" and layer.name == "input"):
            continue
        kind = _snake(layer.kind)
        number = counts.get(kind, 0)
        counts[kind] = number + 1
        place = f"{top}{kind}_{number}" if number else f"{top}{kind}"
        if layer.inner is not None:
            yield from _archived(file, layer.inner, f"{place}/", f"{path}{layer.name}/")
        elif layer.custom is not None:
            yield path + layer.name, tuple(_every(file, place))
        else:
            kept = f"{place}/layer" if layer.kind in _ESTIMATING else place
            yield path + layer.name, tuple(_variables(file, kept))


def _holds(file: KerasFile, group: str) -> bool:
    return group in file.stored.attributes


def _variables(file: KerasFile, place: str) -> Iterator[np.ndarray]:
    """A layer's own variables by number, then those of the layers that it keeps."""
    number = 0
    while (path := f"{place}/vars/{number}") in file.stored.arrays:
        yield file.stored.arrays[path]
        number += 1
    for part in _PARTS:
        for name in (part, f"_{part}"):
            if _holds(file, f"{place}/{name}"):
                yield from _variables(file, f"{place}/{name}")


def _every(file: KerasFile, place: str) -> list[np.ndarray]:
    """All variables of a layer that may keep others anywhere: its own ones first."""
    own = f"{place}/vars/"
    names = [name for name in file.stored.arrays if name.startswith(f"{place}/")]
    ordered = sorted(names, key=lambda name: not name.startswith(own))
    return [file.stored.arrays[name] for name in ordered if not _STATES.search(name)]


def _snake(name: str) -> str:
    """As Keras makes a name of a class: Conv2DTranspose is conv2d_transpose."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _listed(
    file: KerasFile, graph: GraphConfig
) -> Iterator[tuple[str, tuple[np.ndarray, ...]]]:
    """The weights in an HDF5 file, where each layer of the outermost model lists its own."""
    top = "model_weights" if _holds(file, "model_weights") else ""
    for layer in graph.layers:
        found = list(_group(file, f"{top}/{layer.name}".lstrip("/")))
        if layer.inner is None:
            yield layer.name, tuple(_modern(file, layer, [a for _, a in found]))
        else:
            yield from _nested(file, f"{layer.name}/", layer.inner, found)


def _group(file: KerasFile, group: str) -> Iterator[tuple[str, np.ndarray]]:
    for name in file.stored.texts(group, "weight_names") or ():
        path = f"{group}/{name}"
        if path not in file.stored.arrays:
            raise ModelError(
                f"The file lists the weight '{name}' and does not hold it."
            )
        if not _STATES.search(name):
            yield name, file.stored.arrays[path]


def _modern(
    file: KerasFile, layer: LayerConfig, weights: list[np.ndarray]
) -> list[np.ndarray]:
    if layer.kind in _ESTIMATING:
        return weights[:-1]
    if file.version > 1:
        return weights
    return legacy.reordered(layer.kind, layer.values, weights, file.backend)


def _nested(
    file: KerasFile,
    path: str,
    model: GraphConfig,
    listed: list[tuple[str, np.ndarray]],
) -> Iterator[tuple[str, tuple[np.ndarray, ...]]]:
    """The weights of a model in the model, which lists the trained ones of all its layers first."""
    leaves = dict(_leaves(model, path))
    found: dict[str, list[np.ndarray]] = {leaf: [] for leaf in leaves}
    for name, array in listed:
        owner = _owner(name, leaves)
        found[owner].append(array)
    for leaf, layer in leaves.items():
        yield leaf, tuple(_modern(file, layer, found[leaf]))


def _leaves(graph: GraphConfig, path: str) -> Iterator[tuple[str, LayerConfig]]:
    for layer in graph.layers:
        if layer.inner is not None:
            yield from _leaves(layer.inner, f"{path}{layer.name}/")
        else:
            yield path + layer.name, layer


def _owner(name: str, leaves: Mapping[str, Any]) -> str:
    """The leaf whose name is a part of a weight's (`inner/conv2d/kernel:0`), the innermost."""
    parts = name.split("/")[:-1]
    for number in range(len(parts)):
        requested = "/".join(parts[number:])
        for size in range(len(parts[number:]), 0, -1):
            requested = "/".join(parts[number : number + size])
            matching = [
                p for p in leaves if p == requested or p.endswith(f"/{requested}")
            ]
            if len(matching) == 1:
                return matching[0]
    named = [path for path in leaves if name.startswith(f"{path.rpartition('/')[2]}_")]
    if not parts and named:  # Keras 1: convolution2d_1_W
        return max(named, key=len)
    raise ModelError(f"The weight '{name}' belongs to no layer of the model.")
