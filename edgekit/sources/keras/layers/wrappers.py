"""Layers around other layers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import nn

from edgekit.program.channel_order import Value
from edgekit.sources.keras import config as configs
from edgekit.sources.keras.layers.registry import Layer, build, builds


def _inner(layer: Layer, name: str, **changed: Any) -> configs.LayerConfig:
    found = configs.layer_of(layer.values[name], layer.config.version)
    if found.inner is not None:
        raise ValueError("a wrapped model is not supported")
    return replace(found, values={**found.values, **changed})


class TimeDistributed(nn.Module):
    """The same layer at every step."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, value: Value, **_: Any) -> Value:
        """(batch, steps, ...) through the layer as (batch * steps, ...)."""
        x = value.last()
        found = self.layer(Value(x.flatten(0, 1))).last()
        return Value(found.reshape(x.shape[0], x.shape[1], *found.shape[1:]))


@builds("TimeDistributed")
def time_distributed(layer: Layer) -> nn.Module:
    """Build the module of Keras's `TimeDistributed`."""
    return TimeDistributed(build(_inner(layer, "layer"), layer.weights, layer.place))


class Bidirectional(nn.Module):
    """One layer forward, one backward, and their outputs merged."""

    def __init__(self, forward: nn.Module, backward: nn.Module, mode: Any) -> None:
        super().__init__()
        self.forwards, self.backwards, self.mode = forward, backward, mode

    def forward(self, value: Value, **_: Any) -> Any:
        """(batch, steps, inputs) to both outputs, merged along the last dimension."""
        first, second = _listed(self.forwards(value)), _listed(self.backwards(value))
        one, other = first[0].last(), second[0].last()
        if one.ndim == 3:
            other = other.flip(1)
        merged = self._merged(one, other)
        states = [*first[1:], *second[1:]]
        return [*merged, *states] if states or len(merged) > 1 else merged[0]

    def _merged(self, one: torch.Tensor, other: torch.Tensor) -> list[Value]:
        if self.mode is None:
            return [Value(one), Value(other)]
        if self.mode == "concat":
            return [Value(torch.cat((one, other), -1))]
        made = {"sum": one + other, "mul": one * other, "ave": (one + other) / 2}
        return [Value(made[self.mode])]


def _listed(found: Any) -> list[Value]:
    return found if isinstance(found, list) else [found]


@builds("Bidirectional")
def bidirectional(layer: Layer) -> nn.Module:
    """Build the module of Keras's `Bidirectional`."""
    half = len(layer.weights) // 2
    forward = _inner(layer, "layer")
    backward = replace(
        forward,
        values={
            **forward.values,
            "go_backwards": not forward.values.get("go_backwards", False),
        },
    )
    if layer.values.get("backward_layer") is not None:
        backward = _inner(layer, "backward_layer")
    return Bidirectional(
        build(forward, layer.weights[:half], layer.place),
        build(backward, layer.weights[half:], layer.place),
        layer.values.get("merge_mode", "concat"),
    )


@builds("SpectralNormalization")
def spectral_normalization(layer: Layer) -> nn.Module:
    """The layer as it is in evaluation, whose kernel the file holds already divided."""
    return build(_inner(layer, "layer"), layer.weights, layer.place)
