"""Recurrent layers, a step at a time, and layers around layers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from edgekit.sources.keras.config import LayerConfig, layer_of
from edgekit.sources.keras.reference.activations import activated
from edgekit.sources.keras.reference.walk import Array, Defined, define, defines

State = list[Array]


def _lstm(layer: Defined, x: Array, state: State) -> State:
    kernel, recurrent, *bias = layer.weights
    output, memory = state
    i, f, c, o = np.split(x @ kernel + output @ recurrent + _sum(bias), 4, -1)
    gate = "recurrent_activation"
    memory = activated(layer, f, gate) * memory + activated(layer, i, gate) * activated(
        layer, c
    )
    return [activated(layer, o, gate) * activated(layer, memory), memory]


def _gru(layer: Defined, x: Array, state: State) -> State:
    kernel, recurrent, *bias = layer.weights
    [output] = state
    after = bool(layer.get("reset_after", False)) and bool(bias)
    inner, outer = bias[0] if after else (_sum(bias), 0.0)
    xz, xr, xh = np.split(x @ kernel + inner, 3, -1)
    gate = "recurrent_activation"
    if after:
        hz, hr, hh = np.split(output @ recurrent + outer, 3, -1)
        update, reset = activated(layer, xz + hz, gate), activated(layer, xr + hr, gate)
        made = activated(layer, xh + reset * hh)
    else:
        uz, ur, uh = np.split(recurrent, 3, -1)
        update = activated(layer, xz + output @ uz, gate)
        reset = activated(layer, xr + output @ ur, gate)
        made = activated(layer, xh + (reset * output) @ uh)
    return [update * output + (1 - update) * made]


def _simple(layer: Defined, x: Array, state: State) -> State:
    kernel, recurrent, *bias = layer.weights
    return [activated(layer, x @ kernel + state[0] @ recurrent + _sum(bias))]


def _sum(bias: list[Array]) -> Any:
    return bias[0] if bias else 0.0


_CELLS = {"LSTM": _lstm, "GRU": _gru, "SimpleRNN": _simple}


@defines(*_CELLS)
def recurrent(layer: Defined, x: Any, initial_state: Any = None) -> Any:
    """Compute Keras's `recurrent` operators on arrays, by its definition."""
    if isinstance(x, list | tuple):
        x, *initial_state = x
    units, batch = layer.weights[1].shape[0], x.shape[0]
    count = 2 if layer.kind == "LSTM" else 1
    state: State = [np.zeros((batch, units))] * count
    if initial_state is not None and len(initial_state):
        given = initial_state if isinstance(initial_state, list) else [initial_state]
        state = list(given)
    outputs = []
    steps = range(x.shape[1])
    for step in reversed(steps) if layer.get("go_backwards", False) else steps:
        state = _CELLS[layer.kind](layer, x[:, step], state)
        outputs.append(state[0])
    found = (
        np.stack(outputs, 1) if layer.get("return_sequences", False) else outputs[-1]
    )
    return [found, *state] if layer.get("return_state", False) else found


@defines("RNN")
def of_cell(layer: Defined, x: Any, **kwargs: Any) -> Any:
    """Compute Keras's `RNN` on arrays, by its definition."""
    cell = layer.get("cell")
    kind = cell["class_name"].removesuffix("Cell")
    values = {**layer.config.values, **cell["config"]}
    config = replace(layer.config, kind=kind, values=values)
    return recurrent(replace(layer, config=config), x, **kwargs)


@defines("Bidirectional")
def bidirectional(layer: Defined, x: Array) -> Any:
    """Compute Keras's `Bidirectional` on arrays, by its definition."""
    inner = layer_of(layer.get("layer"), layer.config.version)
    back = layer.get("backward_layer")
    other = layer_of(back, layer.config.version) if back else _turned(inner)
    half = len(layer.weights) // 2
    one, *states = _multiple(define(inner, layer.weights[:half], x))
    two, *more = _multiple(define(other, layer.weights[half:], x))
    if inner.values.get("return_sequences"):
        two = two[:, ::-1]
    mode = layer.config.values.get("merge_mode", "concat")
    merged = _merged(mode, one, two)
    found = [*merged, *states, *more]
    return found if len(found) > 1 else found[0]


def _merged(mode: str | None, one: Array, two: Array) -> list[Array]:
    if mode is None:
        return [one, two]
    if mode == "concat":
        return [np.concatenate([one, two], -1)]
    return [{"sum": one + two, "mul": one * two, "ave": (one + two) / 2}[mode]]


def _turned(inner: LayerConfig) -> LayerConfig:
    backwards = not inner.values.get("go_backwards", False)
    return replace(inner, values={**inner.values, "go_backwards": backwards})


def _multiple(found: Any) -> list[Array]:
    return found if isinstance(found, list) else [found]


@defines("TimeDistributed")
def time_distributed(layer: Defined, x: Array) -> Array:
    """Compute Keras's `TimeDistributed` on arrays, by its definition."""
    inner = layer_of(layer.get("layer"), layer.config.version)
    steps = [define(inner, layer.weights, x[:, n]) for n in range(x.shape[1])]
    return np.stack(steps, 1)
