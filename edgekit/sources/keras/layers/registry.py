"""Makes a module of a layer's configuration and weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from edgekit.errors import EdgeKitError, ModelError
from edgekit.program.channel_order import Value
from edgekit.safe_io import reason
from edgekit.sources.keras.config import LayerConfig
from edgekit.sources.keras.custom import KEY, Custom

_MASKED = "mask"
"""The argument by which Keras hands masks from layer to layer."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer to be made. `weights` are as Keras stores them; `place` is its path in the model."""

    config: LayerConfig
    weights: Sequence[np.ndarray]
    place: str

    @property
    def kind(self) -> str:
        """The class of the layer."""
        return self.config.kind

    @property
    def values(self) -> Mapping[str, Any]:
        """The configuration of the layer."""
        return self.config.values

    def get(self, name: str, otherwise: Any = None) -> Any:
        """An argument of the layer; `otherwise` where it has none or null."""
        found = self.values.get(name)
        return otherwise if found is None else found

    def integers(self, name: str, count: int, otherwise: int = 1) -> tuple[int, ...]:
        """An argument of `count` whole numbers, which may be given as one for all."""
        found = self.get(name, otherwise)
        multiple = tuple(found) if isinstance(found, list | tuple) else (found,) * count
        if len(multiple) != count or any(type(n) is not int for n in multiple):
            raise ValueError(f"{name} is {str(found)[:40]}, not {count} whole numbers")
        return multiple

    def tensor(self, number: int) -> Tensor:
        """A weight in the order of the file."""
        if number >= len(self.weights):
            raise ValueError(f"the file holds {len(self.weights)} weights of it")
        return torch.from_numpy(np.array(self.weights[number], np.float32, order="C"))

    def refuse(self, name: str, *allowed: Any) -> None:
        """Raise ValueError unless the argument has one of the values, or none."""
        found = self.values.get(name)
        if found is not None and found not in allowed:
            raise ValueError(f"{name}={str(found)[:40]} is not supported")


Builder = Callable[[Layer], nn.Module]
_BUILDERS: dict[str, Builder] = {}


def builds(*names: str) -> Callable[[Builder], Builder]:
    """Register a function for layers of these classes."""

    def registered(function: Builder) -> Builder:
        for name in names:
            _BUILDERS[name] = function
        return function

    return registered


def kinds() -> frozenset[str]:
    """The classes of layers that can be read."""
    return frozenset(_BUILDERS)


def build(config: LayerConfig, weights: Sequence[np.ndarray], place: str) -> nn.Module:
    """The module of a layer; `ModelError` with its name where it cannot be made."""
    kind = f"ops.{config.kind}" if config.operation else config.kind
    if config.custom is not None:
        return Custom(config.custom, config.values, weights)
    if config.foreign or kind not in _BUILDERS:
        raise ModelError(
            f"Layer '{place}' is of the class '{config.kind}', which is not supported. Write it "
            f"in torch: {KEY}, or export the model to ONNX and name that file in [model] source."
        )
    try:
        return _BUILDERS[kind](Layer(config=config, weights=weights, place=place))
    except EdgeKitError:
        raise
    # Sizes and types in the file fit or do not; whatever they raise is about this layer.
    except Exception as fault:
        raise ModelError(
            f"Layer '{place}' ({config.kind}) cannot be read: {reason(fault)}."
        ) from fault


class Function(nn.Module):
    """A layer without weights."""

    def __init__(self, function: Callable[..., Value]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *values: Any, **kwargs: Any) -> Value:
        """`function` of the values that the layer is called with."""
        if kwargs.get(_MASKED) is not None:
            raise ModelError("Masks between layers are not supported.")
        kwargs.pop(_MASKED, None)
        return self.function(*values, **kwargs)


def weight(tensor: Tensor) -> nn.Parameter:
    """A tensor of a file as a parameter that trains."""
    return nn.Parameter(tensor.contiguous())
