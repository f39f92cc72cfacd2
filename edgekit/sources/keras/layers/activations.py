"""Activation functions, by name and as layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgekit.program.channel_order import Value
from edgekit.sources.keras.layers.registry import Function, Layer, builds, weight

Activation = Callable[[Value], Value]

_ELEMENTWISE: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "relu6": F.relu6,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
    "elu": F.elu,
    "celu": F.celu,
    "selu": F.selu,
    "gelu": F.gelu,
    "sigmoid": torch.sigmoid,
    "hard_sigmoid": F.hardsigmoid,
    "hard_silu": F.hardswish,
    "hard_swish": F.hardswish,
    "hard_tanh": F.hardtanh,
    "silu": F.silu,
    "swish": F.silu,
    "softplus": F.softplus,
    "softsign": F.softsign,
    "tanh": torch.tanh,
    "tanh_shrink": F.tanhshrink,
    "hard_shrink": F.hardshrink,
    "soft_shrink": F.softshrink,
    "exponential": torch.exp,
    "mish": F.mish,
    "log_sigmoid": F.logsigmoid,
    "squareplus": lambda x: (x + torch.sqrt(x * x + 4)) / 2,
}
_ALONG: dict[str, Callable[[Tensor, int], Tensor]] = {
    "softmax": F.softmax,
    "log_softmax": F.log_softmax,
    "glu": F.glu,
}


def by_name(given: Any, version: int) -> Activation:
    """The function that a configuration names; ValueError for what is not Keras's own."""
    if isinstance(given, Mapping):
        kind, config = given.get("class_name"), given.get("config")
        if kind != "function" or not isinstance(config, str):
            return _as_layer(str(kind), config, version)
        if str(given.get("module") or "builtins").split(".")[0] not in (
            "builtins",
            "keras",
        ):
            raise ValueError(f"activation {config!r} is the author's own function")
        given = config
    if given is None or given == "linear":
        return lambda value: value
    if given == "hard_sigmoid" and version < 3:
        return lambda value: value.mapped(_hard_sigmoid)
    if given in _ELEMENTWISE:
        function = _ELEMENTWISE[given]
        return lambda value: value.mapped(function)
    if given in _ALONG:
        along = _ALONG[given]
        return lambda value: value.mapped(lambda x: along(x, value.axis(-1)))
    raise ValueError(f"activation {str(given)[:40]!r} is none of Keras's")


def of(layer: Layer, name: str = "activation") -> Activation:
    """The activation in a layer's argument `name`."""
    return by_name(layer.values.get(name), layer.config.version)


def elementwise(layer: Layer, name: str) -> Callable[[Tensor], Tensor]:
    """The activation in `name` as a function of tensors in the file's order."""
    function = of(layer, name)
    return lambda tensor: function(Value(tensor)).last()


def _hard_sigmoid(x: Tensor) -> Tensor:
    """As Keras has it before version 3: a line of slope 0.2."""
    return (x * 0.2 + 0.5).clamp(0, 1)


def _as_layer(kind: str, config: Any, version: int) -> Activation:
    """A layer without weights in the place of a function."""
    from edgekit.sources.keras.config import LayerConfig
    from edgekit.sources.keras.layers.registry import build

    if kind not in _LAYERS or not isinstance(config, dict):
        raise ValueError(f"activation {kind[:40]!r} is none of Keras's")
    made = build(
        LayerConfig(name=kind, kind=kind, values=config, version=version), (), kind
    )
    return lambda value: made(value)


_LAYERS = ("ReLU", "LeakyReLU", "ELU", "Softmax", "ThresholdedReLU")


@builds("Activation")
def activation(layer: Layer) -> nn.Module:
    """Build the module of Keras's `Activation`."""
    return Function(of(layer))


@builds("ReLU")
def relu(layer: Layer) -> nn.Module:
    """Build the module of Keras's `ReLU`."""
    most, slope = layer.get("max_value"), layer.get("negative_slope", 0.0)
    threshold = layer.get("threshold", 0.0)

    def function(x: Tensor) -> Tensor:
        if threshold:
            above = torch.where(x >= threshold, x, slope * (x - threshold))
            return above if most is None else above.clamp(max=most)
        if most == 6 and not slope:
            return F.relu6(x)
        x = F.leaky_relu(x, slope) if slope else F.relu(x)
        return x if most is None else x.clamp(max=most)

    return Function(lambda value: value.mapped(function))


@builds("LeakyReLU")
def leaky_relu(layer: Layer) -> nn.Module:
    """Build the module of Keras's `LeakyReLU`."""
    slope = float(layer.get("negative_slope", layer.get("alpha", 0.3)))
    return Function(lambda value: value.mapped(lambda x: F.leaky_relu(x, slope)))


@builds("ELU")
def elu(layer: Layer) -> nn.Module:
    """Build the module of Keras's `ELU`."""
    alpha = float(layer.get("alpha", 1.0))
    return Function(lambda value: value.mapped(lambda x: F.elu(x, alpha)))


@builds("ThresholdedReLU")
def thresholded_relu(layer: Layer) -> nn.Module:
    """Build the module of Keras's `ThresholdedReLU`."""
    theta = float(layer.get("theta", 1.0))
    return Function(lambda value: value.mapped(lambda x: F.threshold(x, theta, 0.0)))


@builds("Softmax")
def softmax(layer: Layer) -> nn.Module:
    """Build the module of Keras's `Softmax`."""
    axis = layer.get("axis", -1)
    axes = axis if isinstance(axis, list) else [axis]
    if len(axes) != 1:
        raise ValueError("softmax over several axes is not supported")
    [only] = axes
    return Function(lambda v: v.mapped(lambda x: F.softmax(x, v.axis(only))))


class PReLU(nn.Module):
    """A learned slope below zero, which axes may share."""

    def __init__(self, alpha: Tensor) -> None:
        super().__init__()
        self.weight = weight(alpha)

    def forward(self, value: Value, **_: Any) -> Value:
        """As the layer does it."""
        if value.first and self.weight.numel() == self.weight.shape[-1]:
            return value.mapped(lambda x: F.prelu(x, self.weight.reshape(-1)))
        x = value.last()
        return Value(F.relu(x) - self.weight * F.relu(-x))


@builds("PReLU")
def prelu(layer: Layer) -> nn.Module:
    """Build the module of Keras's `PReLU`."""
    return PReLU(layer.tensor(0))
