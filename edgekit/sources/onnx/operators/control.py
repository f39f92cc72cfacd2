"""Branches and loops, decided and unrolled while the graph is walked."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import SymInt, Tensor

from edgekit.sources.onnx.call import Call
from edgekit.sources.onnx.registry import operator
from edgekit.sources.onnx.values import Value, number

_ROUNDS = 512
"""Most rounds of a loop that is unrolled."""


@operator("If", raw=(0,))
def branch(call: Call, condition: Value) -> tuple[Value, ...]:
    """Compute ONNX's `If`."""
    if isinstance(condition, Tensor):
        raise call.refuse(
            f"decides by '{call.node.inputs[0]}', which depends on the network's inputs. Fix "
            "the input that decides in [model.fixed]"
        )
    taken = bool(number(condition.reshape(-1)))
    graph = call.get("then_branch" if taken else "else_branch")
    return tuple(call.run(graph, []))


@operator("Loop", raw=tuple(range(256)))
def loop(
    call: Call, limit: Value | None, condition: Value | None, *carried: Value
) -> tuple[Value, ...]:
    """Compute ONNX's `Loop`."""
    body = call.get("body")
    state, kept = list(carried), []
    going = True if condition is None else _decided(call, condition)
    rounds = _rounds(call, limit)
    done = 0
    while going and done < rounds:
        if done >= _ROUNDS:
            raise call.refuse(f"runs more than {_ROUNDS} rounds, too many to unroll")
        given = [np.array(done, np.int64), np.array(True), *state]
        going_on, *results = call.run(body, given)
        going = _decided(call, going_on)
        state = results[: len(state)]
        kept.append(results[len(state) :])
        done += 1
    columns = list(zip(*kept, strict=True)) if kept else []
    return *state, *(_stacked(call, column, 0) for column in columns)


def _rounds(call: Call, limit: Value | None) -> float:
    if limit is None:
        return float("inf")
    if isinstance(limit, Tensor) or isinstance(number(limit.reshape(-1)), SymInt):
        raise call.refuse(
            "runs a number of rounds that depends on the network's inputs"
        )
    return int(number(limit.reshape(-1)))


def _decided(call: Call, condition: Value) -> bool:
    if isinstance(condition, Tensor):
        raise call.refuse("goes on or ends by values of the network's inputs")
    return bool(number(condition.reshape(-1)))


def _stacked(call: Call, values: tuple[Value, ...], axis: int) -> Value:
    if all(isinstance(value, np.ndarray) for value in values):
        return np.stack([np.asarray(value) for value in values], axis)
    return torch.stack([call.tensor(value) for value in values], axis)


@operator("Scan", since=9, raw=tuple(range(256)))
def scan(call: Call, *given: Value) -> tuple[Value, ...]:
    """Compute ONNX's `Scan`."""
    body, count = call.get("body"), call.get("num_scan_inputs")
    state, rows = list(given[: len(given) - count]), given[len(given) - count :]
    axes = call.get("scan_input_axes", [0] * count)
    backs = call.get("scan_input_directions", [0] * count)
    steps: Any = rows[0].shape[axes[0]]
    if isinstance(steps, SymInt) or steps > _ROUNDS:
        raise call.refuse(f"runs {steps} rounds, which cannot be unrolled")
    kept = []
    for step in range(steps):
        slices = [
            _row(row, axis, steps - 1 - step if back else step)
            for row, axis, back in zip(rows, axes, backs, strict=True)
        ]
        results = call.run(body, [*state, *slices])
        state = results[: len(state)]
        kept.append(results[len(state) :])
    columns = list(zip(*kept, strict=True))
    ends = call.get("scan_output_directions", [0] * len(columns))
    places = call.get("scan_output_axes", [0] * len(columns))
    stacked = (
        _stacked(call, column[::-1] if back else column, place)
        for column, back, place in zip(columns, ends, places, strict=True)
    )
    return *state, *stacked


def _row(value: Value, axis: int, place: int) -> Value:
    if isinstance(value, Tensor):
        return value.select(axis, place)
    return np.take(value, place, axis)  # type: ignore[no-any-return]
