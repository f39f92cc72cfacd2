"""Layers of the author's own, by classes and functions of torch in a file of the user's.

A class is called with the layer's configuration and its weights, in the file's order, and is then a
module of the layer's inputs, in the file's order of dimensions (channels last). A Lambda layer is a
function of its inputs that has the layer's name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from edgekit.config.user_code import UserFunction, definitions
from edgekit.errors import ModelError
from edgekit.program.channel_order import Value
from edgekit.sources.keras.config import GraphConfig, LayerConfig

KEY = '[model] custom_objects = "layers.py"'
LAMBDA = "Lambda"
Objects = Mapping[str, UserFunction]


def objects(reference: str | None, root: Path) -> Objects:
    """The classes and functions that a file of the user's defines, by name; none without one."""
    return {} if reference is None else definitions(reference, root, ModelError)


def resolved(graph: GraphConfig, found: Objects) -> GraphConfig:
    """The graph with the user's object in each layer that is not Keras's own.

    Raises `ModelError` with the name of a layer that has none.
    """
    return replace(graph, layers=tuple(_resolved(each, found) for each in graph.layers))


def _resolved(layer: LayerConfig, found: Objects) -> LayerConfig:
    if layer.inner is not None:
        return replace(layer, inner=resolved(layer.inner, found))
    name = layer.name if layer.kind == LAMBDA else layer.kind
    if name in found:
        return replace(layer, custom=found[name])
    if layer.foreign:
        raise missing(layer, found)
    return layer


def missing(layer: LayerConfig, found: Objects) -> ModelError:
    """The error for a layer that is neither Keras's own nor in the user's file."""
    if layer.kind == LAMBDA:
        what = "is a Lambda: Python code stored in the file, which is never run"
        fix = f"a function '{layer.name}' of its input"
    else:
        what = f"is of the author's own class '{layer.kind}'"
        fix = f"a torch.nn.Module '{layer.kind}(config, weights)'"
    there = f" (it has {', '.join(sorted(found))})" if found else ""
    return ModelError(
        f"Layer '{layer.name}' {what}. Write {fix} into a file of yours{there}, and name it: "
        f"{KEY}."
    )


@dataclass(frozen=True, kw_only=True)
class _Shown:
    """Inputs of a layer as tensors in the file's order."""

    function: Callable[[Any], Any]

    def of(self, tree: Any) -> Any:
        if isinstance(tree, list | tuple):
            return type(tree)(self.of(each) for each in tree)
        if isinstance(tree, Mapping):
            return {name: self.of(each) for name, each in tree.items()}
        return self.function(tree)


class Custom(nn.Module):
    """The user's module or function as a layer of a Keras network."""

    def __init__(
        self,
        source: UserFunction,
        values: Mapping[str, Any],
        weights: Sequence[np.ndarray],
    ) -> None:
        super().__init__()
        self.__dict__["source"] = source
        given = [torch.from_numpy(np.array(w, np.float32, order="C")) for w in weights]
        target = source.found()
        made = target
        if isinstance(target, type):
            with source.running():
                made = target(dict(values), given)
        if isinstance(made, nn.Module):
            self.own = made
        elif callable(made) and not isinstance(target, type):
            self.__dict__["own"] = made
        else:
            raise ModelError(
                f"{source.name} is neither a torch.nn.Module nor a function."
            )

    def forward(self, *values: Any, **named: Any) -> Any:
        """Outputs of the layer's inputs."""
        found = self.computed(
            _Shown(function=_tensor).of(values),
            {k: _tensor(v) for k, v in named.items() if k != "mask"},
        )
        return _Shown(function=_value).of(found)

    def computed(self, tensors: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """The user's own outputs, of tensors."""
        with self.__dict__["source"].running():
            return self.own(*tensors, **named)


def defined(
    source: UserFunction,
    values: Mapping[str, Any],
    weights: Sequence[np.ndarray],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> Any:
    """Outputs of arrays in double precision: the user's own code is its definition."""
    module = Custom(source, values, weights).double().eval()
    to = _Shown(function=lambda x: torch.from_numpy(x) if _is_array(x) else x)
    with torch.no_grad():
        found = module.computed(to.of(tuple(args)), to.of(dict(kwargs)))
    return _Shown(function=lambda x: x.numpy()).of(found)


def remark(graph: GraphConfig) -> list[str]:
    """The remark on layers that nothing of Keras's can be held against."""
    names = [layer.name for layer in graph.walk() if layer.custom is not None]
    if not names:
        return []
    return [
        f"Computed by the user's own code, which nothing checks: {', '.join(names)}."
    ]


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray)


def _tensor(value: Any) -> Any:
    return value.last() if isinstance(value, Value) else value


def _value(found: Any) -> Value:
    if not isinstance(found, Tensor):
        raise ModelError(
            f"A layer of your own returned {type(found).__name__}, not a tensor."
        )
    return Value(found)
