"""Carry an optimizer's state over a cut, so that training goes on where it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from edgekit.errors import UsageError
from edgekit.graph.graph import WidthGraph
from edgekit.graph.labels import Axes
from edgekit.graph.rewrite_shapes import Cut
from edgekit.graph.surgery import cut_of, labeled_tensors, sliced
from edgekit.program.program import Program
from edgekit.types import Plan


def carry_optimizer_state(
    state: Mapping[str, Any], graph: WidthGraph, plan: Plan, student: Program
) -> dict[str, Any]:
    """The `state_dict()` of an optimizer over `student.module.parameters()`.

    `state` is that of one over all of the original's `parameters()`, in their order. State of a
    parameter's shape (momentum, second moments) is cut like the parameter; the rest is kept.
    """
    originals = graph.program.module
    numbers = [number for group in state["param_groups"] for number in group["params"]]
    expected = len(list(originals.parameters()))
    if len(numbers) != expected:
        raise UsageError(
            f"The optimizer state has {len(numbers)} parameters, the network {expected}. "
            "Give the state of an optimizer over all of the network's parameters."
        )
    number_of = dict(zip(map(id, originals.parameters()), numbers, strict=True))
    named = dict(originals.named_parameters(remove_duplicate=False))
    axes = {id(tensor): axes for tensor, axes in labeled_tensors(graph)}
    cut = cut_of(graph, plan)

    moved: dict[int, int] = {}
    entries: dict[int, dict[str, Any]] = {}
    for new, (name, _) in enumerate(student.module.named_parameters()):
        parameter = named[name]
        number = number_of[id(parameter)]
        moved[number] = new
        if number in state["state"]:
            entries[new] = {
                key: _carried(value, parameter, axes[id(parameter)], cut)
                for key, value in state["state"][number].items()
            }
    groups = [
        {**group, "params": sorted(moved[n] for n in group["params"] if n in moved)}
        for group in state["param_groups"]
    ]
    return {"state": entries, "param_groups": groups}


def _carried(value: Any, parameter: torch.Tensor, axes: Axes, cut: Cut) -> Any:
    if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
        return sliced(value, axes, cut)
    return value
