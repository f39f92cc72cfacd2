"""LSTM, GRU and plain recurrent layers, stacked and bidirectional."""

from __future__ import annotations

from typing import Any

from edgekit.graph.labels import Axes, Axis, Label
from edgekit.graph.propagate import Call, Outputs, Rule, Walk

GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


def recurrent(walk: Walk, call: Call) -> Outputs:
    """One hidden width for all layers and directions: their first states are one tensor."""
    states = call["hx"] if call.name == "lstm" else [call["hx"]]
    directions = 2 if call["bidirectional"] else 1
    per_cell = 4 if call["has_biases"] else 2
    weights = call["params"]
    if len(weights) != per_cell * directions * call["num_layers"]:
        return _projected(walk, call)
    x = walk.of(call["input"])
    for axis in x[:-1]:
        walk.freeze(call, axis, "is a sequence", barrier=True)
    walk.contract(call, call["input"], len(x) - 1)
    current, hidden = x[-1], walk.of(states[0])[2]
    cells = iter(range(0, len(weights), per_cell))
    for _ in range(call["num_layers"]):
        outputs: list[Label] = []
        for _ in range(directions):
            start = next(cells)
            hidden = _cell(
                walk, call, weights[start : start + per_cell], current, hidden
            )
            outputs.extend(hidden or ())
        current = tuple(outputs) if hidden is not None else None
    for state in states:
        walk.unify(call, walk.of(state)[2], hidden)
    walk.labels.mark_role(hidden, "recurrent")
    final: Axes = [None, None, hidden]
    return [[*x[:-1], current], *(list(final) for _ in states)]


def _cell(
    walk: Walk, call: Call, weights: list[Any], source: Axis, hidden: Axis
) -> Axis:
    """Tie one cell's weights to its input and to the hidden width; gates stay."""
    from_input, from_hidden, *_ = (walk.of(weight) for weight in weights)
    width = walk.shape(weights[1])[1]
    walk.unify(call, source, from_input[1])
    shared = walk.unify(call, hidden, from_hidden[1])
    count = GATES[call.name.removesuffix("_cell")]
    for weight in weights:
        gates, units = walk.split(call, walk.of(weight)[0], count, width)
        walk.freeze(call, gates, "is a gate")
        shared = walk.unify(call, shared, units)
    return shared


def step(walk: Walk, call: Call) -> Axes | Outputs:
    """One step of a cell: as a layer, but unrolled by the author."""
    multiple = isinstance(call["hx"], list | tuple)
    states = list(call["hx"]) if multiple else [call["hx"]]
    walk.contract(call, call["input"], len(walk.of(call["input"])) - 1)
    weights = [call[n] for n in ("w_ih", "w_hh", "b_ih", "b_hh") if call[n] is not None]
    before = walk.unify(call, *(walk.of(state)[-1] for state in states))
    hidden = _cell(walk, call, weights, walk.of(call["input"])[-1], before)
    walk.labels.mark_role(hidden, "recurrent")
    axes: Axes = [*walk.of(call["input"])[:-1], hidden]
    return [axes, list(axes)] if multiple else axes


def _projected(walk: Walk, call: Call) -> Outputs:
    """The operator recognizes a projection by two widths that differ: neither is cut."""
    x, first = call["input"], call["params"][0]
    read = walk.of(first)[1]
    for node in call.node.all_input_nodes:
        for axis in walk.of(node):
            if node is not x and axis is not read:
                why = "projected recurrent layers are kept whole"
                walk.freeze(call, axis, why, barrier=True)
    if not call["bidirectional"]:
        walk.contract(call, x, len(walk.of(x)) - 1)
        walk.unify(call, walk.of(x)[-1], read)
    else:
        walk.freeze(call, walk.of(x)[-1], "is read both ways", barrier=True)
    return [[None] * len(shape) for shape in walk.output_shapes(call)]


RULES: dict[str, Rule] = {
    **dict.fromkeys(GATES, recurrent),
    **dict.fromkeys((f"{name}_cell" for name in GATES), step),
}
