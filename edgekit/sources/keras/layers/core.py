"""Dense and embedding layers, and those that matter in training alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgekit.program.channel_order import Value
from edgekit.sources.keras.layers import activations
from edgekit.sources.keras.layers.registry import Function, Layer, builds, weight


class Dense(nn.Module):
    """Over the file's last dimension."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.weight = weight(layer.tensor(0).T)
        bias = layer.get("use_bias", True)
        self.bias = weight(layer.tensor(1)) if bias else None
        self.activation = activations.of(layer)

    def forward(self, value: Value, **_: Any) -> Value:
        """(batch, ..., inputs) to (batch, ..., units)."""
        return self.activation(Value(F.linear(value.last(), self.weight, self.bias)))


@builds("Dense")
def dense(layer: Layer) -> nn.Module:
    """Build the module of Keras's `Dense`."""
    return Dense(layer)


class EinsumDense(nn.Module):
    """A product with a kernel along the axes that an equation names."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.equation = _equation(str(layer.values["equation"]))
        self.weight = weight(layer.tensor(0))
        axes = layer.get("bias_axes")
        self.bias = weight(layer.tensor(1)) if axes else None
        self.activation = activations.of(layer)

    def forward(self, value: Value, **_: Any) -> Value:
        """An einsum by its equation."""
        found = torch.einsum(self.equation, value.last(), self.weight)
        return self.activation(Value(found if self.bias is None else found + self.bias))


def _equation(text: str) -> str:
    inputs, _, output = text.partition("->")
    return f"{inputs}->{output}" if output else text


@builds("EinsumDense")
def einsum_dense(layer: Layer) -> nn.Module:
    """Build the module of Keras's `EinsumDense`."""
    return EinsumDense(layer)


class Embedding(nn.Module):
    """A row of a table for each number."""

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.weight = weight(table)

    def forward(self, value: Value, **_: Any) -> Value:
        """(batch, ...) whole numbers to (batch, ..., width)."""
        return Value(F.embedding(value.last().long(), self.weight))


@builds("Embedding")
def embedding(layer: Layer) -> nn.Module:
    """Build the module of Keras's `Embedding`."""
    layer.refuse("mask_zero", False)
    return Embedding(layer.tensor(0))


@builds("Dropout")
def dropout(layer: Layer) -> nn.Module:
    """Build the module of Keras's `Dropout`."""
    layer.refuse("noise_shape")
    return _Dropout(nn.Dropout(_rate(layer)))


@builds("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D")
def spatial_dropout(layer: Layer) -> nn.Module:
    """Build the module of Keras's `SpatialDropout1D`, `SpatialDropout2D` and
    `SpatialDropout3D`."""
    made = {"1": nn.Dropout1d, "2": nn.Dropout2d, "3": nn.Dropout3d}[layer.kind[-2]]
    return _Dropout(made(_rate(layer)))


@builds("AlphaDropout")
def alpha_dropout(layer: Layer) -> nn.Module:
    """Build the module of Keras's `AlphaDropout`."""
    return _Dropout(nn.AlphaDropout(_rate(layer)))


class _Dropout(nn.Module):
    """Values left out in training."""

    def __init__(self, dropout: nn.Module) -> None:
        super().__init__()
        self.dropout = dropout
        self.channels = isinstance(dropout, nn.modules.dropout._DropoutNd) and (
            not isinstance(dropout, nn.Dropout | nn.AlphaDropout)
        )

    def forward(self, value: Value, **_: Any) -> Value:
        """The value itself in evaluation."""
        if self.channels:
            return Value(self.dropout(value.channels_first()), value.rank > 2)
        return value.mapped(self.dropout)


def _rate(layer: Layer) -> float:
    rate = float(layer.get("rate", 0.5))
    if not 0 <= rate <= 1:
        raise ValueError(f"rate is {rate:g}")
    return rate


@builds(
    "GaussianNoise", "GaussianDropout", "ActivityRegularization", "Identity",
    "RandomFlip", "RandomRotation", "RandomZoom", "RandomContrast", "RandomBrightness",
    "RandomTranslation", "RandomHeight", "RandomWidth", "RandomHue", "RandomSaturation",
    "RandomColorJitter", "RandomGrayscale", "RandomInvert", "RandomPosterization",
    "RandomSharpness", "RandomShear", "RandomPerspective", "RandomErasing",
    "RandomGaussianBlur", "RandomElasticTransform", "RandomColorDegeneration",
)  # fmt: skip
def nothing(layer: Layer) -> nn.Module:
    """Layers that change samples in training and are the identity elsewhere."""
    return Function(lambda value: value)


def array(values: Any) -> Tensor:
    """Numbers of a configuration as a tensor."""
    return torch.from_numpy(np.asarray(values, np.float32))
