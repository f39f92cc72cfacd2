"""Dense layers, normalizations, what works element by element, and what merges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np
from scipy import special

from edgekit.sources.keras.reference.activations import FORMULAS, activated
from edgekit.sources.keras.reference.walk import Array, Defined, define, defines


@defines("Dense")
def dense(layer: Defined, x: Array) -> Array:
    """Compute Keras's `Dense` on arrays, by its definition."""
    found = x @ layer.weights[0]
    return activated(
        layer, found + layer.weights[1] if layer.get("use_bias", True) else found
    )


@defines("EinsumDense")
def einsum_dense(layer: Defined, x: Array) -> Array:
    """Compute Keras's `EinsumDense` on arrays, by its definition."""
    found = np.einsum(layer.get("equation"), x, layer.weights[0])
    return activated(
        layer, found + layer.weights[1] if layer.get("bias_axes") else found
    )


@defines("Embedding")
def embedding(layer: Defined, x: Array) -> Array:
    """Compute Keras's `Embedding` on arrays, by its definition."""
    return layer.weights[0][x.astype(int)]


@defines(
    "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "AlphaDropout",
    "GaussianNoise", "GaussianDropout", "ActivityRegularization", "Identity",
    "RandomFlip", "RandomRotation", "RandomZoom", "RandomContrast", "RandomBrightness",
    "RandomTranslation", "RandomHeight", "RandomWidth", "RandomHue", "RandomSaturation",
    "RandomColorJitter", "RandomGrayscale", "RandomInvert", "RandomPosterization",
    "RandomSharpness", "RandomShear", "RandomPerspective", "RandomErasing",
    "RandomGaussianBlur", "RandomElasticTransform", "RandomColorDegeneration",
)  # fmt: skip
def nothing(layer: Defined, x: Array) -> Array:
    """In evaluation they leave samples as they are."""
    return x


def _along(numbers: Array, axes: Sequence[int], rank: int) -> Array:
    """Numbers along these axes of an array of `rank`."""
    sizes = [1] * rank
    for axis, size in zip(sorted(axes), numbers.shape, strict=True):
        sizes[axis] = size
    return numbers.reshape(sizes)


def _axes(layer: Defined, rank: int, name: str = "axis") -> list[int]:
    axis = layer.get(name, -1)
    return [n % rank for n in (axis if isinstance(axis, list) else [axis])]


@defines("BatchNormalization", "SyncBatchNormalization")
def batch_normalization(layer: Defined, x: Array) -> Array:
    """Compute Keras's `BatchNormalization` and `SyncBatchNormalization` on arrays, by its
    definition."""
    axes = _axes(layer, x.ndim)
    given = list(layer.weights)
    gamma = given.pop(0) if layer.get("scale", True) else np.ones_like(given[-1])
    beta = given.pop(0) if layer.get("center", True) else np.zeros_like(given[-1])
    parts = (_along(each, axes, x.ndim) for each in (gamma, beta, *given))
    gamma, beta, mean, variance = parts
    return gamma * (x - mean) / np.sqrt(variance + layer.get("epsilon", 1e-3)) + beta


def _standardized(x: Array, axes: Sequence[int], epsilon: float) -> Array:
    at = tuple(axes)
    mean, variance = x.mean(axis=at, keepdims=True), x.var(axis=at, keepdims=True)
    return np.asarray((x - mean) / np.sqrt(variance + epsilon))


def _scaled(layer: Defined, x: Array, axes: Sequence[int]) -> Array:
    given = list(layer.weights)
    if layer.get("scale", True):
        x = x * _along(given.pop(0), axes, x.ndim)
    return x + _along(given.pop(0), axes, x.ndim) if layer.get("center", True) else x


@defines("LayerNormalization")
def layer_normalization(layer: Defined, x: Array) -> Array:
    """Compute Keras's `LayerNormalization` on arrays, by its definition."""
    axes = _axes(layer, x.ndim)
    return _scaled(layer, _standardized(x, axes, layer.get("epsilon", 1e-3)), axes)


@defines("GroupNormalization")
def group_normalization(layer: Defined, x: Array) -> Array:
    """Compute Keras's `GroupNormalization` on arrays, by its definition."""
    axes = _axes(layer, x.ndim)
    moved = np.moveaxis(x, axes[0], -1)
    groups = int(layer.get("groups", 32))
    groups = moved.shape[-1] if groups == -1 else groups
    split = moved.reshape(*moved.shape[:-1], groups, -1)
    inside = [n for n in range(1, split.ndim) if n != split.ndim - 2]
    found = _standardized(split, inside, layer.get("epsilon", 1e-3)).reshape(
        moved.shape
    )
    return _scaled(layer, np.moveaxis(found, -1, axes[0]), axes)


@defines("RMSNormalization")
def rms_normalization(layer: Defined, x: Array) -> Array:
    """Compute Keras's `RMSNormalization` on arrays, by its definition."""
    square = (x**2).mean(axis=-1, keepdims=True)
    return np.asarray(
        x / np.sqrt(square + layer.get("epsilon", 1e-6)) * layer.weights[0]
    )


@defines("UnitNormalization")
def unit_normalization(layer: Defined, x: Array) -> Array:
    """Compute Keras's `UnitNormalization` on arrays, by its definition."""
    square = (x**2).sum(axis=tuple(_axes(layer, x.ndim)), keepdims=True)
    return np.asarray(x / np.sqrt(np.maximum(square, 1e-12)))


@defines("SpectralNormalization")
def spectral_normalization(layer: Defined, x: Array) -> Any:
    """Compute Keras's `SpectralNormalization` on arrays, by its definition."""
    from edgekit.sources.keras.config import layer_of

    inner = layer_of(layer.get("layer"), layer.config.version)
    return define(inner, layer.weights, x)


@defines("Rescaling")
def rescaling(layer: Defined, x: Array) -> Array:
    """Compute Keras's `Rescaling` on arrays, by its definition."""
    return x * np.asarray(layer.get("scale")) + np.asarray(layer.get("offset", 0.0))


@defines("Normalization")
def normalization(layer: Defined, x: Array) -> Array:
    """Compute Keras's `Normalization` on arrays, by its definition."""
    stored = (layer.get("mean"), layer.get("variance"))
    mean, variance = layer.weights[:2] if stored[0] is None else map(np.asarray, stored)
    if np.size(mean) > 1:
        axes = _axes(layer, x.ndim)
        sizes = [n if at in axes else 1 for at, n in enumerate(x.shape)]
        mean, variance = np.reshape(mean, sizes), np.reshape(variance, sizes)
    else:
        mean, variance = np.reshape(mean, ()), np.reshape(variance, ())
    deviation = np.maximum(np.sqrt(variance), 1e-7)
    if layer.get("invert", False):
        return np.asarray(x * deviation + mean)
    return np.asarray((x - mean) / deviation)


@defines("CategoryEncoding")
def category_encoding(layer: Defined, x: Array) -> Array:
    """Compute Keras's `CategoryEncoding` on arrays, by its definition."""
    tokens = np.arange(layer.get("num_tokens"))
    if layer.get("output_mode", "multi_hot") == "multi_hot":
        return (x[..., None] == tokens).any(axis=-2).astype(float)
    chosen = x[..., 0] if x.shape[-1] == 1 else x
    return (chosen[..., None] == tokens).astype(float)


_MERGES: dict[str, Callable[[Any, Any], Array]] = {
    "Add": np.add, "Multiply": np.multiply, "Maximum": np.maximum, "Minimum": np.minimum,
    "Subtract": np.subtract, "Average": np.add,
}  # fmt: skip


@defines(*_MERGES)
def merge(layer: Defined, xs: Sequence[Array]) -> Array:
    """Compute Keras's `merge` operators on arrays, by its definition."""
    rank = max(x.ndim for x in xs)
    spread = [x.reshape(x.shape[0], *(1,) * (rank - x.ndim), *x.shape[1:]) for x in xs]
    found = reduce(_MERGES[layer.kind], spread)
    return found / len(xs) if layer.kind == "Average" else found


@defines("Concatenate")
def concatenate(layer: Defined, xs: Sequence[Array]) -> Array:
    """Compute Keras's `Concatenate` on arrays, by its definition."""
    return np.concatenate(xs, layer.get("axis", -1))


@defines("Dot")
def dot(layer: Defined, xs: Sequence[Array]) -> Array:
    """Compute Keras's `Dot` on arrays, by its definition."""
    axes = layer.get("axes", -1)
    one, other = axes if isinstance(axes, list) else (axes, axes)
    first, second = xs
    if layer.get("normalize", False):
        first = first / np.sqrt((first**2).sum(one, keepdims=True))
        second = second / np.sqrt((second**2).sum(other, keepdims=True))
    found = np.stack([np.tensordot(a, b, (one % first.ndim - 1, other % second.ndim - 1))
                      for a, b in zip(first, second, strict=True)])  # fmt: skip
    return found.reshape(-1, 1) if found.ndim == 1 else found


_BINARY: dict[str, Callable[[Any, Any], Array]] = {
    **_MERGES, "Divide": np.divide, "TrueDivide": np.divide, "Power": np.power,
    "Matmul": np.matmul,
}  # fmt: skip
_UNARY: dict[str, Callable[[Any], Array]] = {
    "Abs": np.abs, "Absolute": np.abs, "Negative": np.negative, "Exp": np.exp, "Log": np.log,
    "Sqrt": np.sqrt, "Rsqrt": lambda x: 1 / np.sqrt(x), "Square": np.square, "Sin": np.sin,
    "Erf": special.erf,
    "Cos": np.cos, "Floor": np.floor, "Sign": np.sign, "Tanh": np.tanh,
    "Reciprocal": np.reciprocal, "Relu": FORMULAS["relu"], "Relu6": FORMULAS["relu6"],
    "Sigmoid": FORMULAS["sigmoid"], "Silu": FORMULAS["silu"],
    "HardSigmoid": FORMULAS["hard_sigmoid"], "HardSilu": FORMULAS["hard_silu"],
    "Softplus": FORMULAS["softplus"], "Softsign": FORMULAS["softsign"],
    "Softmax": FORMULAS["softmax"], "LogSoftmax": FORMULAS["log_softmax"],
    "Elu": FORMULAS["elu"], "Selu": FORMULAS["selu"],
}  # fmt: skip


@defines(*(f"ops.{name}" for name in _BINARY if name != "Average"))
def binary(layer: Defined, x1: Any, x2: Any) -> Array:
    """Compute Keras's `binary` operators on arrays, by its definition."""
    return _BINARY[layer.kind](x1, x2)


@defines(*(f"ops.{name}" for name in _UNARY))
def unary(layer: Defined, x: Array) -> Array:
    """Compute Keras's `unary` operators on arrays, by its definition."""
    return _UNARY[layer.kind](x)


@defines("ops.Gelu")
def gelu(layer: Defined, x: Array) -> Array:
    """Compute Keras's `Gelu` on arrays, by its definition."""
    return FORMULAS["gelu_tanh" if layer.get("approximate", True) else "gelu"](x)


_TENSORFLOW = {
    "__operators__.add": "Add", "math.truediv": "Divide", "math.pow": "Power",
    "nn.relu": "Relu", "nn.relu6": "Relu6", "nn.silu": "Silu", "nn.swish": "Silu",
    "nn.softmax": "Softmax", "nn.sigmoid": "Sigmoid", "nn.tanh": "Tanh",
}  # fmt: skip


@defines("TFOpLambda")
def tensorflow(layer: Defined, x: Any, y: Any = None, **_: Any) -> Array:
    """Compute Keras's `TFOpLambda` on arrays, by its definition."""
    name = layer.get("function")
    kind = _TENSORFLOW.get(name, name.rpartition(".")[2].capitalize())
    return _UNARY[kind](x) if y is None else _BINARY[kind](x, y)
