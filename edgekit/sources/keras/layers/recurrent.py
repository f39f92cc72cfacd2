"""Recurrent layers: torch's own where it computes the same, else a cell a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgekit.program.channel_order import Value
from edgekit.sources.keras.layers import activations
from edgekit.sources.keras.layers.registry import Layer, builds, weight

_MOST_STEPS = 1024
"""Steps that are traced one by one."""
State = tuple[Tensor, ...]


class Recurrent(nn.Module):
    """Shared parts of recurrent layers: direction, returned outputs, and the first state."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        layer.refuse("stateful", False)
        self.units = int(layer.tensor(1).shape[0])
        self.sequences = bool(layer.get("return_sequences", False))
        self.states = bool(layer.get("return_state", False))
        self.backwards = bool(layer.get("go_backwards", False))
        self.count = 1

    def forward(self, value: Any, initial_state: Any = None, **kwargs: Any) -> Any:
        """(batch, steps, inputs) to (batch, units), or (batch, steps, units), and the states."""
        if kwargs.get("mask") is not None:
            raise ValueError("masks are not supported")
        if isinstance(value, list | tuple):
            value, *initial_state = value
        x = value.last()
        start = self._start(x, initial_state)
        outputs, state = self.run(x.flip(1) if self.backwards else x, start)
        found = Value(outputs if self.sequences else outputs[:, -1])
        return [found, *map(Value, state)] if self.states else found

    def _start(self, x: Tensor, given: Any) -> State:
        if given is None or given == []:
            return (x.new_zeros(x.shape[0], self.units),) * self.count
        return tuple(
            each.last() for each in (given if isinstance(given, list) else [given])
        )

    def run(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Outputs (batch, steps, units) and the last state."""
        raise NotImplementedError


class Fused(Recurrent):
    """By torch's own layer, whose order of gates differs."""

    def __init__(self, layer: Layer, kind: str, order: tuple[int, ...]) -> None:
        super().__init__(layer)
        self.count = 2 if kind == "LSTM" else 1
        kernel, recurrent = layer.tensor(0).T, layer.tensor(1).T
        made = getattr(nn, kind)(kernel.shape[1], self.units, batch_first=True)
        made.weight_ih_l0 = weight(_gates(kernel, order))
        made.weight_hh_l0 = weight(_gates(recurrent, order))
        made.bias_ih_l0, made.bias_hh_l0 = self._biases(layer, order, len(kernel))
        self.layer = made

    def _biases(
        self, layer: Layer, order: tuple[int, ...], count: int
    ) -> tuple[nn.Parameter, nn.Parameter]:
        """Both of torch's; Keras has one, or a row each."""
        given = layer.tensor(2) if layer.get("use_bias", True) else torch.zeros(count)
        rows = (
            given if given.ndim == 2 else torch.stack((given, torch.zeros_like(given)))
        )
        first, second = (weight(_gates(row, order)) for row in rows)
        return first, second

    def run(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """As `torch.nn.LSTM` and `GRU` run."""
        start = tuple(each.unsqueeze(0) for each in state)
        outputs, last = self.layer(x, start if self.count > 1 else start[0])
        ended = last if isinstance(last, tuple) else (last,)
        return outputs, tuple(each[0] for each in ended)


def _gates(tensor: Tensor, order: tuple[int, ...]) -> Tensor:
    """The gates, stacked in the first dimension, in another order."""
    pieces = tensor.chunk(len(order))
    return torch.cat([pieces[n] for n in order])


class Stepped(Recurrent):
    """By `cell`, a step at a time."""

    def __init__(self, layer: Layer) -> None:
        super().__init__(layer)
        self.kernel, self.recurrent = weight(layer.tensor(0)), weight(layer.tensor(1))
        self.bias = weight(layer.tensor(2)) if layer.get("use_bias", True) else None
        self.activation = activations.elementwise(layer, "activation")
        self.gate = activations.elementwise(layer, "recurrent_activation")

    def run(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """One cell after the other."""
        if x.shape[1] > _MOST_STEPS:
            raise ValueError(f"{x.shape[1]} steps; at most {_MOST_STEPS} are traced")
        bias = self.bias if self.bias is None or self.bias.ndim == 1 else self.bias[0]
        moved = F.linear(x, self.kernel.T, bias)
        outputs = []
        for step in range(x.shape[1]):
            state = self.cell(moved[:, step], state)
            outputs.append(state[0])
        return torch.stack(outputs, 1), state

    def cell(self, x: Tensor, state: State) -> State:
        """The next state, whose first tensor is the output; `x` is the input times the kernel."""
        raise NotImplementedError


class SimpleRNN(Stepped):
    """A dense layer of the input and the last output."""

    def cell(self, x: Tensor, state: State) -> State:
        """The output alone."""
        return (self.activation(x + state[0] @ self.recurrent),)


class LSTM(Stepped):
    """With activations that torch's does not have."""

    def __init__(self, layer: Layer) -> None:
        super().__init__(layer)
        self.count = 2

    def cell(self, x: Tensor, state: State) -> State:
        """Output and memory."""
        output, memory = state
        gates = (x + output @ self.recurrent).chunk(4, 1)
        taken, kept, shown = (self.gate(gates[n]) for n in (0, 1, 3))
        memory = kept * memory + taken * self.activation(gates[2])
        return shown * self.activation(memory), memory


class GRU(Stepped):
    """With other activations than torch's, or the state reset before its product."""

    def cell(self, x: Tensor, state: State) -> State:
        """The output alone."""
        [output] = state
        inputs = x.chunk(3, 1)
        if self.bias is not None and self.bias.ndim == 2:  # reset after the product
            held = (output @ self.recurrent + self.bias[1]).chunk(3, 1)
            update, reset = (self.gate(inputs[n] + held[n]) for n in (0, 1))
            made = self.activation(inputs[2] + reset * held[2])
        else:
            kernels = self.recurrent.chunk(3, 1)
            update, reset = (self.gate(inputs[n] + output @ kernels[n]) for n in (0, 1))
            made = self.activation(inputs[2] + (reset * output) @ kernels[2])
        return (update * output + (1 - update) * made,)


def _usual(layer: Layer) -> bool:
    """Return whether torch's layer has the activations."""
    gate = layer.values.get("recurrent_activation")
    return layer.values.get("activation") == "tanh" and gate == "sigmoid"


@builds("LSTM", "CuDNNLSTM")
def lstm(layer: Layer) -> nn.Module:
    """Build the module of Keras's `LSTM` and `CuDNNLSTM`."""
    if layer.kind == "CuDNNLSTM":
        raise ValueError("save the model with LSTM in its place")
    return Fused(layer, "LSTM", (0, 1, 2, 3)) if _usual(layer) else LSTM(layer)


@builds("GRU")
def gru(layer: Layer) -> nn.Module:
    """Build the module of Keras's `GRU`."""
    after = bool(layer.get("reset_after", False))
    biased = bool(layer.get("use_bias", True))
    if after and not biased:
        raise ValueError("reset_after without a bias is not supported")
    if after and _usual(layer):
        return Fused(layer, "GRU", (1, 0, 2))
    return GRU(layer)


@builds("SimpleRNN")
def simple(layer: Layer) -> nn.Module:
    """Build the module of Keras's `SimpleRNN`."""
    return SimpleRNN(layer)


Cell = Callable[[Layer], nn.Module]
_CELLS: dict[str, tuple[str, Cell]] = {
    "LSTMCell": ("LSTM", lstm),
    "GRUCell": ("GRU", gru),
    "SimpleRNNCell": ("SimpleRNN", simple),
}


@builds("RNN")
def of_cell(layer: Layer) -> nn.Module:
    """Build the module of Keras's `RNN`."""
    cell = layer.values["cell"]
    kind = cell["class_name"]
    if kind not in _CELLS:
        raise ValueError(f"a cell of the class {str(kind)[:40]!r} is not supported")
    name, made = _CELLS[kind]
    values = {**layer.values, **cell["config"]}
    config = replace(layer.config, kind=name, values=values)
    return made(replace(layer, config=config))
