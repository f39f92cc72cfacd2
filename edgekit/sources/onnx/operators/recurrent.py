"""LSTM, GRU and RNN, by torch's own where their equations agree, else step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from edgekit.sources.onnx.call import Call
from edgekit.sources.onnx.registry import operator
from edgekit.sources.onnx.values import Known, Value

_ORDER = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}
"""ONNX's gates (iofc, zrh, i) in torch's order (ifgo, rzn, i)."""
_DEFAULTS = {
    "LSTM": ["Sigmoid", "Tanh", "Tanh"],
    "GRU": ["Sigmoid", "Tanh"],
    "RNN": ["Tanh"],
}
_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A direction's weights, with gates in torch's order."""

    w: Tensor
    r: Tensor
    b: tuple[Tensor, Tensor] | None


@operator("LSTM", "GRU", "RNN", raw=(1, 2, 3), known=(4,))
def recurrent(
    call: Call,
    x: Tensor,
    w: Value,
    r: Value,
    b: Value | None = None,
    lengths: Known | None = None,
    *states: Tensor | None,
) -> tuple[Tensor, ...]:
    """Compute ONNX's `LSTM`, `GRU` and `RNN`."""
    kind = call.node.kind
    first = bool(call.get("layout", 0))
    x = x.transpose(0, 1) if first else x
    _refuse_lengths(call, x, lengths)
    hidden = call.get("hidden_size")
    if hidden is None:
        hidden = int(r.shape[-1])
    directions = int(w.shape[0])
    cells = [_cell(call, n, w, r, b) for n in range(directions)]
    given = [_state(call, x, s, directions, hidden, first=first) for s in states[:2]]
    while len(given) < (2 if kind == "LSTM" else 1):
        given.append(x.new_zeros(directions, x.shape[1], hidden))
    if _plain(call) and (len(states) < 3 or states[2] is None):
        y, ends = _by_torch(call, x, cells, given)
    else:
        y, ends = _by_step(call, x, cells, given, states)
    # y is (steps, batch, directions, hidden)
    y = y.permute(1, 0, 2, 3) if first else y.permute(0, 2, 1, 3)
    return y, *(e.transpose(0, 1) if first else e for e in ends)


def _refuse_lengths(call: Call, x: Tensor, lengths: Known | None) -> None:
    if lengths is not None and any(n != x.shape[0] for n in lengths.ravel().tolist()):
        raise call.refuse(
            "has a length for each sequence: feed sequences of one length"
        )


def _state(
    call: Call,
    x: Tensor,
    state: Tensor | None,
    directions: int,
    hidden: int,
    *,
    first: bool,
) -> Tensor:
    if state is None:
        return x.new_zeros(directions, x.shape[1], hidden)
    state = state.transpose(0, 1) if first else state
    return call.batch.repeated(state, 1, x.shape[1])


def _cell(call: Call, number: int, w: Value, r: Value, b: Value | None) -> Cell:
    suffix = "_reverse" if number else ""
    order = _ORDER[call.node.kind]
    w_, r_ = (_gates(v[number], order) for v in (w, r))
    names = [name + suffix for name in _NAMES]
    biases = None
    if b is not None:
        half = b.shape[-1] // 2
        pair = [_gates(v, order) for v in (b[number][:half], b[number][half:])]
        first, second = (
            call.tensor(v, name) for v, name in zip(pair, names[2:], strict=True)
        )
        biases = (first, second)
    return Cell(w=call.tensor(w_, names[0]), r=call.tensor(r_, names[1]), b=biases)


def _gates(value: Any, order: tuple[int, ...]) -> Value:
    """Rows by gate, in torch's order."""
    size = value.shape[0] // len(order)
    parts = [value[n * size : (n + 1) * size] for n in order]
    if isinstance(value, Tensor):
        return torch.cat(parts)
    return np.concatenate(parts)


def _plain(call: Call) -> bool:
    """Return whether torch's layers compute the same."""
    kind = call.node.kind
    ways = 2 if call.get("direction", "forward") == "bidirectional" else 1
    usual = call.get("activations", _DEFAULTS[kind] * ways) == _DEFAULTS[kind] * ways
    linear = kind != "GRU" or bool(call.get("linear_before_reset", 0))
    return usual and linear and not (call.get("clip") or call.get("input_forget"))


def _by_torch(
    call: Call, x: Tensor, cells: list[Cell], states: list[Tensor]
) -> tuple[Tensor, list[Tensor]]:
    kind, back = call.node.kind, call.get("direction", "forward") == "reverse"
    x = torch.flip(x, [0]) if back else x
    weights = [t for c in cells for t in (c.w, c.r, *(c.b or ()))]
    biased, both = cells[0].b is not None, len(cells) == 2
    tail = (weights, biased, 1, 0.0, False, both, False)
    if kind == "LSTM":
        y, *ends = torch.lstm(x, states, *tail)
    else:
        layer = torch.gru if kind == "GRU" else torch.rnn_tanh
        y, *ends = layer(x, states[0], *tail)
    y = torch.flip(y, [0]) if back else y
    return y.reshape(*y.shape[:2], len(cells), -1), ends


_Act = Callable[[Tensor], Tensor]


def _activations(call: Call, count: int) -> list[_Act]:
    kind = call.node.kind
    names = call.get("activations", _DEFAULTS[kind] * count)
    alphas, betas = (
        list(call.get("activation_alpha", [])),
        list(call.get("activation_beta", [])),
    )

    def pick(values: list[float], default: float) -> float:
        return values.pop(0) if values else default

    found: list[_Act] = []
    for name in names:
        lower = name.lower()
        if lower in ("sigmoid", "tanh", "relu", "softplus", "softsign"):
            found.append({"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu,
                          "softplus": F.softplus, "softsign": F.softsign}[lower])  # fmt: skip
        elif lower in ("hardsigmoid", "affine", "scaledtanh"):
            a, b = (
                pick(alphas, 0.2 if lower == "hardsigmoid" else 1.0),
                pick(
                    betas,
                    0.5
                    if lower == "hardsigmoid"
                    else 0.0
                    if lower == "affine"
                    else 1.0,
                ),
            )
            found.append(_scaled(lower, a, b))
        elif lower in ("leakyrelu", "elu", "thresholdedrelu"):
            default = 0.01 if lower == "leakyrelu" else 1.0
            found.append(_sloped(lower, pick(alphas, default)))
        else:
            raise call.refuse(f"has the unknown activation {name}")
    return found


def _scaled(name: str, a: float, b: float) -> _Act:
    if name == "affine":
        return lambda x: a * x + b
    if name == "scaledtanh":
        return lambda x: a * torch.tanh(b * x)
    return lambda x: torch.clamp(a * x + b, 0, 1)


def _sloped(name: str, a: float) -> _Act:
    if name == "leakyrelu":
        return lambda x: F.leaky_relu(x, a)
    if name == "elu":
        return lambda x: F.elu(x, a)
    return lambda x: F.threshold(x, a, 0.0)


def _by_step(
    call: Call,
    x: Tensor,
    cells: list[Cell],
    states: list[Tensor],
    given: tuple[Tensor | None, ...],
) -> tuple[Tensor, list[Tensor]]:
    kind = call.node.kind
    acts = _activations(call, len(cells))
    each = len(_DEFAULTS[kind])
    peepholes = given[2] if len(given) > 2 else None
    outputs, ends = [], []
    for number, cell in enumerate(cells):
        back = number == 1 or call.get("direction", "forward") == "reverse"
        state = tuple(s[number] for s in states)
        own = acts[number * each : (number + 1) * each]
        peephole = None if peepholes is None else peepholes[number]
        steps = []
        for moment in reversed(range(x.shape[0])) if back else range(x.shape[0]):
            state = _STEPS[kind](call, x[moment], cell, state, (own, peephole))
            steps.append(state[0])
        outputs.append(torch.stack(steps[::-1] if back else steps))
        ends.append(state)
    finals = [torch.stack(parts) for parts in zip(*ends, strict=True)]
    return torch.stack(outputs, 2), finals


_State = tuple[Tensor, ...]


def _clipped(call: Call, x: Tensor) -> Tensor:
    limit = call.get("clip")
    return torch.clamp(x, -limit, limit) if limit else x


def _lstm_step(call: Call, x: Tensor, cell: Cell, state: _State, more: Any) -> _State:
    (f, g, h), peephole = more
    hidden, memory = state
    b = cell.b or (None, None)
    gates = F.linear(x, cell.w, b[0]) + F.linear(hidden, cell.r, b[1])
    i, forget, c, o = gates.chunk(4, 1)
    p = (0, 0, 0) if peephole is None else peephole.chunk(3)  # i, o, f
    i = f(_clipped(call, i + p[0] * memory))
    forget = f(_clipped(call, forget + p[2] * memory))
    if call.get("input_forget"):
        forget = 1 - i
    memory = forget * memory + i * g(_clipped(call, c))
    o = f(_clipped(call, o + p[1] * memory))
    return o * h(memory), memory


def _gru_step(call: Call, x: Tensor, cell: Cell, state: _State, more: Any) -> _State:
    (f, g), _ = more
    (hidden,) = state
    b = cell.b or (None, None)
    xr, xz, xn = F.linear(x, cell.w, b[0]).chunk(3, 1)
    size = hidden.shape[1]
    rb = (None, None) if b[1] is None else (b[1][: 2 * size], b[1][2 * size :])
    hr, hz = F.linear(hidden, cell.r[: 2 * size], rb[0]).chunk(2, 1)
    r, z = f(_clipped(call, xr + hr)), f(_clipped(call, xz + hz))
    if call.get("linear_before_reset"):
        n = xn + r * F.linear(hidden, cell.r[2 * size :], rb[1])
    else:
        n = xn + F.linear(r * hidden, cell.r[2 * size :], rb[1])
    n = g(_clipped(call, n))
    return ((1 - z) * n + z * hidden,)


def _rnn_step(call: Call, x: Tensor, cell: Cell, state: _State, more: Any) -> _State:
    (f,), _ = more
    b = cell.b or (None, None)
    total = F.linear(x, cell.w, b[0]) + F.linear(state[0], cell.r, b[1])
    return (f(_clipped(call, total)),)


_STEPS: dict[str, Callable[..., _State]] = {
    "LSTM": _lstm_step,
    "GRU": _gru_step,
    "RNN": _rnn_step,
}
