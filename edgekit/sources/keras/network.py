"""A Keras model as a module that walks the file's own graph in torch calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from edgekit.errors import ModelError
from edgekit.program.channel_order import Value, ordered
from edgekit.sources.keras import layers
from edgekit.sources.keras.config import GraphConfig, LayerConfig, Ref, mapped
from edgekit.sources.keras.weights import Weights

_IMAGE = 4
"""Dimensions from which on a network takes and gives channels first: (batch, channels, ...)."""
_LARGEST = 1 << 28
"""Elements of a sample anywhere in the network; more is a damaged file's size."""


class Graph(nn.Module):
    """A functional or sequential model: each call of a layer by its name and number."""

    def __init__(self, config: GraphConfig, weights: Weights, path: str = "") -> None:
        super().__init__()
        self.config = config
        self.names: dict[str, str] = {}
        for layer in config.layers:
            if layer.kind != "InputLayer":
                self._add(layer, weights, path)

    def _add(self, layer: LayerConfig, weights: Weights, path: str) -> None:
        place = path + layer.name
        if layer.inner is not None:
            made: nn.Module = Graph(layer.inner, weights, f"{place}/")
        else:
            made = layers.build(layer, weights.get(place, ()), place)
        self.names[layer.name] = name = self._free(layer.name)
        self.add_module(name, made)

    def _free(self, name: str) -> str:
        """A module's name: no dots or slashes, and none that modules have a use for."""
        name = "".join(c if c.isalnum() or c == "_" else "_" for c in name) or "layer"
        while hasattr(self, name) or name in self._modules:
            name += "_"
        return name

    def forward(self, *inputs: Value) -> Any:
        """The model's outputs, a `Value` or a structure of them."""
        known = self.values(*inputs)
        return mapped(self.config.outputs, lambda ref: _of(known, ref))

    def values(self, *inputs: Value) -> dict[Ref, Value]:
        """The results of each call of a layer, inputs first."""
        known: dict[Ref, Value] = dict(zip(self.config.inputs, inputs, strict=True))
        waiting = [
            (layer, number)
            for layer in self.config.layers
            if layer.kind != "InputLayer"
            for number in range(len(layer.calls))
        ]
        while waiting:
            left = [each for each in waiting if not self._called(*each, known)]
            if len(left) == len(waiting):
                names = ", ".join(sorted({layer.name for layer, _ in left})[:3])
                raise ModelError(f"Nothing of the model leads to its layers {names}.")
            waiting = left
        return known

    def _called(self, layer: LayerConfig, number: int, known: dict[Ref, Value]) -> bool:
        """Call the layer if all that it takes is known; whether it was."""
        call = layer.calls[number]
        requested: list[Ref] = []
        mapped((call.args, call.kwargs), requested.append)
        if any(ref not in known for ref in requested):
            return False
        args = mapped(call.args, known.__getitem__)
        kwargs = mapped(call.kwargs, known.__getitem__)
        module = self.get_submodule(self.names[layer.name])
        if isinstance(module, Graph):
            args, kwargs = _inputs(args), {}
        found = module(*args, **kwargs)
        for tensor, value in enumerate(_listed(found)):
            _check_size(value, layer)
            known[Ref(layer=layer.name, node=number, tensor=tensor)] = value
        return True


class KerasNetwork(nn.Module):
    """A Keras model as everything here takes and gives it: images with their channels first."""

    def __init__(self, config: GraphConfig, weights: Weights) -> None:
        super().__init__()
        graph = Graph(config, weights)
        self.__dict__["_graph"] = graph
        self._modules = graph._modules  # parameters have the layers' names
        self.channels_last = not any(layer.channels_first for layer in config.walk())

    def forward(self, *inputs: Tensor) -> Any:
        """Outputs of inputs (batch, *shape); of a dictionary where the model has one."""
        found = self.__dict__["_graph"](*map(self._value, inputs))
        return _tensors(found, self.channels_last)

    def values(self, *inputs: Tensor) -> dict[Ref, Value]:
        """Each layer's results for inputs (batch, *shape)."""
        found: dict[Ref, Value] = self.__dict__["_graph"].values(
            *map(self._value, inputs)
        )
        return found

    def _value(self, given: Tensor) -> Value:
        image = self.channels_last and given.ndim >= _IMAGE
        return ordered(given) if image else Value(given)


def program_shape(sizes: Sequence[int], channels_last: bool) -> tuple[int, ...]:
    """A sample's shape as the network takes it, from that in the file."""
    if channels_last and len(sizes) + 1 >= _IMAGE:
        return (sizes[-1], *sizes[:-1])
    return tuple(sizes)


def _tensors(found: Any, channels_last: bool) -> Any:
    if isinstance(found, Value):
        image = channels_last and found.rank >= _IMAGE
        return found.channels_first() if image else found.last()
    if isinstance(found, Mapping):
        return {name: _tensors(each, channels_last) for name, each in found.items()}
    multiple = tuple(_tensors(each, channels_last) for each in found)
    return multiple[0] if len(multiple) == 1 else multiple


def _of(known: Mapping[Ref, Value], ref: Ref) -> Value:
    if ref not in known:
        raise ModelError(f"The model's output '{ref.layer}' is computed nowhere.")
    return known[ref]


def _inputs(args: Sequence[Any]) -> list[Value]:
    """The values that a model in the model is called with, in order."""
    found: list[Value] = []
    for each in args:
        if isinstance(each, Value):
            found.append(each)
        else:
            found.extend(
                _inputs(list(each.values()) if isinstance(each, dict) else each)
            )
    return found


def _listed(found: Any) -> list[Value]:
    if isinstance(found, Value):
        return [found]
    return [v for each in (found.values() if isinstance(found, dict) else found)
            for v in _listed(each)]  # fmt: skip


def _check_size(value: Value, layer: LayerConfig) -> None:
    elements = torch.Size(value.data.shape[1:]).numel()
    if elements > _LARGEST:
        raise ModelError(
            f"Layer '{layer.name}' ({layer.kind}) makes {elements:,} numbers of a sample."
        )
