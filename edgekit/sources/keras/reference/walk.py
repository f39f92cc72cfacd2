"""A model's outputs, each layer computed when what follows asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgekit.errors import ModelError
from edgekit.sources.keras import custom
from edgekit.sources.keras.config import (
    GraphConfig,
    LayerConfig,
    Ref,
    mapped,
    references,
)
from edgekit.sources.keras.weights import Weights

Array = Any
"""An array of NumPy, whose operators have no types of their own."""


@dataclass(frozen=True, kw_only=True)
class Defined:
    """A layer to be computed: its configuration, and its weights in double precision."""

    config: LayerConfig
    weights: tuple[Array, ...]

    @property
    def kind(self) -> str:
        """The class of the layer."""
        return self.config.kind

    def get(self, name: str, otherwise: Any = None) -> Any:
        """An argument; `otherwise` where it has none or null."""
        found = self.config.values.get(name)
        return otherwise if found is None else found


Definition = Callable[..., Any]
_DEFINITIONS: dict[str, Definition] = {}
_ENDS = (
    "Activation",
    "Softmax",
    "ops.Softmax",
    "ops.Sigmoid",
    "ops.LogSoftmax",
    "TFOpLambda",
)
"""Layers that are nothing but a function of their input."""
_RECURRENT = ("SimpleRNN", "LSTM", "GRU", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
"""Their activation is at work in every step."""


def defines(*names: str) -> Callable[[Definition], Definition]:
    """Register what layers of these classes compute."""

    def registered(function: Definition) -> Definition:
        for name in names:
            _DEFINITIONS[name] = function
        return function

    return registered


def kinds() -> frozenset[str]:
    """The classes of layers that are defined."""
    return frozenset(_DEFINITIONS)


def define(
    config: LayerConfig, weights: Sequence[Array], *args: Any, **kwargs: Any
) -> Any:
    """Output of a layer for its arguments."""
    if config.custom is not None:
        return custom.defined(config.custom, config.values, weights, args, kwargs)
    kind = f"ops.{config.kind}" if config.operation else config.kind
    if kind not in _DEFINITIONS:
        raise ModelError(
            f"Layer '{config.name}' ({kind}) has no definition to check it by."
        )
    exact = tuple(np.asarray(each, np.float64) for each in weights)
    return _DEFINITIONS[kind](Defined(config=config, weights=exact), *args, **kwargs)


class Walk:
    """One model's values by reference, computed once: inputs and values in the file's order."""

    def __init__(
        self,
        graph: GraphConfig,
        weights: Weights,
        inputs: Sequence[Array],
        path: str = "",
    ) -> None:
        self.layers = {layer.name: layer for layer in graph.layers}
        self.weights, self.path, self.graph = weights, path, graph
        self.known: dict[tuple[str, int], list[Any]] = {
            (ref.layer, ref.node): [np.asarray(given, _exact(given))]
            for ref, given in zip(graph.inputs, inputs, strict=True)
        }
        self.inner: dict[tuple[str, int], Walk] = {}

    def outputs(self) -> list[Array]:
        """The outputs in order."""
        return list(_flat(mapped(self.graph.outputs, self.value)))

    def ends(self, marked: Sequence[bool]) -> list[Array | None]:
        """The marked outputs before their last activation; `None` where they have none."""
        refs = zip(references(self.graph.outputs), marked, strict=True)
        return [self._bare(ref) for ref, mark in refs if mark]

    def value(self, ref: Ref) -> Array:
        """One output of a call."""
        key = (ref.layer, ref.node)
        if key not in self.known:
            layer = self.layers[ref.layer]
            self.known[key] = list(_flat(self._called(layer, ref.node)))
        return self.known[key][ref.tensor]

    def _bare(self, ref: Ref) -> Array | None:
        layer = self.layers[ref.layer]
        if layer.inner is not None:
            inner = self._inside(layer, layer.inner, ref.node)
            marked = [n == ref.tensor for n in range(len(inner.outputs()))]
            return inner.ends(marked)[0]
        kind = f"ops.{layer.kind}" if layer.operation else layer.kind
        if kind in _ENDS:
            args, _ = self._arguments(layer, ref.node)
            return args[0]
        known = layer.custom is None and "activation" in layer.values
        if not known or kind in _RECURRENT:
            return None
        plain = replace(layer, values={**layer.values, "activation": "linear"})
        return self._called(plain, ref.node)

    def _called(self, layer: LayerConfig, node: int) -> Any:
        if layer.inner is not None:
            return self._inside(layer, layer.inner, node).outputs()
        args, kwargs = self._arguments(layer, node)
        stored = self.weights.get(self.path + layer.name, ())
        return define(layer, stored, *args, **kwargs)

    def _arguments(
        self, layer: LayerConfig, node: int
    ) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
        call = layer.calls[node]
        kwargs = {k: v for k, v in call.kwargs.items() if k != "mask"}
        return mapped(call.args, self.value), mapped(kwargs, self.value)

    def _inside(self, layer: LayerConfig, graph: GraphConfig, node: int) -> Walk:
        """The walk of a model in the model, whose graph is `graph`."""
        if (layer.name, node) not in self.inner:
            args, _ = self._arguments(layer, node)
            self.inner[layer.name, node] = Walk(
                graph,
                self.weights,
                list(_flat(args)),
                f"{self.path}{layer.name}/",
            )
        return self.inner[layer.name, node]


def _exact(given: Array) -> type[np.generic]:
    return np.float64 if given.dtype.kind == "f" else np.int64


def _flat(found: Any) -> Sequence[Array]:
    if isinstance(found, np.ndarray):
        return [found]
    each = found.values() if isinstance(found, Mapping) else found
    return [array for one in each for array in _flat(one)]
