"""Activation functions by their formulas."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy import special

from edgekit.sources.keras.config import LayerConfig
from edgekit.sources.keras.reference.walk import Array, Defined, define, defines

_SELU = (1.6732632423543772, 1.0507009873554805)


def _softmax(x: Array, axis: int = -1) -> Array:
    raised = np.exp(x - x.max(axis=axis, keepdims=True))
    return np.asarray(raised / raised.sum(axis=axis, keepdims=True))


def _elu(x: Array, alpha: float = 1.0) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _leaky(x: Array, slope: float) -> Array:
    return np.where(x > 0, x, slope * x)


def _softplus(x: Array) -> Array:
    return np.logaddexp(x, 0)


def _glu(x: Array) -> Array:
    half = x.shape[-1] // 2
    return np.asarray(x[..., :half] * special.expit(x[..., half:]))


FORMULAS: dict[str, Callable[[Array], Array]] = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.minimum(np.maximum(x, 0), 6),
    "leaky_relu": lambda x: _leaky(x, 0.2),
    "elu": _elu,
    "celu": _elu,
    "selu": lambda x: _SELU[1] * _elu(x, _SELU[0]),
    "gelu": lambda x: x * (1 + special.erf(x / np.sqrt(2))) / 2,
    "gelu_tanh": lambda x: (
        x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2
    ),
    "sigmoid": special.expit,
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hard_silu": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "hard_swish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "silu": lambda x: x * special.expit(x),
    "swish": lambda x: x * special.expit(x),
    "softmax": _softmax,
    "log_softmax": lambda x: x - special.logsumexp(x, axis=-1, keepdims=True),
    "softplus": _softplus,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "tanh": np.tanh,
    "tanh_shrink": lambda x: x - np.tanh(x),
    "hard_shrink": lambda x: np.where(np.abs(x) > 0.5, x, 0),
    "soft_shrink": lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0),
    "exponential": np.exp,
    "mish": lambda x: x * np.tanh(_softplus(x)),
    "log_sigmoid": lambda x: -_softplus(-x),
    "squareplus": lambda x: (x + np.sqrt(x**2 + 4)) / 2,
    "glu": _glu,
}


def activated(layer: Defined, x: Array, name: str = "activation") -> Array:
    """`x` through the function that a layer's argument names."""
    return by_name(layer.config.values.get(name), layer.config.version, x)


def by_name(given: Any, version: int, x: Array) -> Array:
    """`x` through a function, by its name or as a layer's configuration."""
    if isinstance(given, Mapping):
        kind, config = given["class_name"], given["config"]
        if kind != "function":
            layer = LayerConfig(name=kind, kind=kind, values=config, version=version)
            return np.asarray(define(layer, (), x))
        given = config
    if given == "hard_sigmoid" and version < 3:
        return np.clip(0.2 * x + 0.5, 0, 1)
    return FORMULAS[given or "linear"](x)


@defines("Activation")
def activation(layer: Defined, x: Array) -> Array:
    """Compute Keras's `Activation` on arrays, by its definition."""
    return activated(layer, x)


@defines("ReLU")
def relu(layer: Defined, x: Array) -> Array:
    """Compute Keras's `ReLU` on arrays, by its definition."""
    slope, at = layer.get("negative_slope", 0.0), layer.get("threshold", 0.0)
    found = np.where(x >= at, x, slope * (x - at))
    most = layer.get("max_value")
    return found if most is None else np.minimum(found, most)


@defines("LeakyReLU")
def leaky_relu(layer: Defined, x: Array) -> Array:
    """Compute Keras's `LeakyReLU` on arrays, by its definition."""
    return _leaky(x, layer.get("negative_slope", layer.get("alpha", 0.3)))


@defines("ELU")
def elu(layer: Defined, x: Array) -> Array:
    """Compute Keras's `ELU` on arrays, by its definition."""
    return _elu(x, layer.get("alpha", 1.0))


@defines("ThresholdedReLU")
def thresholded(layer: Defined, x: Array) -> Array:
    """Compute Keras's `ThresholdedReLU` on arrays, by its definition."""
    return np.where(x > layer.get("theta", 1.0), x, 0)


@defines("Softmax")
def softmax(layer: Defined, x: Array) -> Array:
    """Compute Keras's `Softmax` on arrays, by its definition."""
    axis = layer.get("axis", -1)
    return _softmax(x, axis[0] if isinstance(axis, list) else axis)


@defines("PReLU")
def prelu(layer: Defined, x: Array) -> Array:
    """Compute Keras's `PReLU` on arrays, by its definition."""
    return np.where(x > 0, x, layer.weights[0] * x)
