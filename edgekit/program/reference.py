"""The network's own tensors, operator by operator, as PyTorch computes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx
from torch.utils import _pytree as pytree

from edgekit.program.feeds import rows
from edgekit.program.module_path import layer
from edgekit.program.program import Program

Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """One operator of the network and what it gave, a sample at a time."""

    name: str
    operator: str
    """As ATen calls it: `conv2d`, `relu`; `input` for an input."""
    layer: str
    sources: frozenset[int]
    """Numbers of the nodes it reads, however indirectly."""
    shape: tuple[int, ...]
    """Of one sample, with a batch dimension of 1 where the operator has one."""
    values: Array
    """(samples, elements)."""


def nodes(program: Program, feeds: Sequence[Array]) -> list[Node]:
    """Every operator with a real output, in order; `feeds` are (n, *shape) by input."""
    rows: dict[str, list[Array]] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    for number in range(len(feeds[0])):
        tracer = _Tracer(program.module)
        with torch.inference_mode():
            tracer.run(*one_sample(program, feeds, number))
        for name, value in tracer.seen.items():
            shapes[name] = tuple(value.shape)
            rows.setdefault(name, []).append(value.numpy().astype(np.float32).ravel())
    found: list[Node] = []
    ancestors: dict[fx.Node, frozenset[int]] = {}
    for node in program.module.graph.nodes:
        own: frozenset[int] = frozenset().union(
            *(ancestors[source] for source in node.all_input_nodes)
        )
        if node.name in rows:
            found.append(
                Node(
                    name=node.name,
                    operator=_operator(node),
                    layer=layer(node),
                    sources=own,
                    shape=shapes[node.name],
                    values=np.stack(rows[node.name]),
                )
            )
            own |= {len(found) - 1}
        ancestors[node] = own
    return found


def elements(program: Program) -> int:
    """Numbers that all operators give together for one sample."""
    tracer = _Tracer(program.module)
    with torch.inference_mode():
        tracer.run(*program.example())
    return sum(value.numel() for value in tracer.seen.values())


def answers(program: Program, feeds: Sequence[Array]) -> list[Array]:
    """Each output over all samples: (n, *shape)."""
    rows = []
    with torch.inference_mode():
        for number in range(len(feeds[0])):
            given = program.module(*one_sample(program, feeds, number))
            rows.append([leaf.numpy() for leaf in _tensors(given)])
    return [np.concatenate(column) for column in zip(*rows, strict=True)]


def one_sample(
    program: Program, feeds: Sequence[Array], number: int
) -> tuple[torch.Tensor, ...]:
    """Sample `number` of every input, as tensors (1, ...) of the program's dtypes."""
    return program.tensors(rows(tuple(feeds), slice(number, number + 1)))


def count(program: Program, operators: Sequence[str]) -> int:
    """Number of operators of the network with one of these names."""
    return sum(_operator(node) in operators for node in program.module.graph.nodes)


def _operator(node: fx.Node) -> str:
    if node.op == "placeholder":
        return "input"
    schema = getattr(node.target, "_schema", None)
    name = schema.name if schema is not None else getattr(node.target, "__name__", "")
    return str(name).rpartition("::")[2]


def _tensors(value: Any) -> list[torch.Tensor]:
    return [v for v in pytree.tree_leaves(value) if isinstance(v, torch.Tensor)]


class _Tracer(fx.Interpreter):
    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module, garbage_collect_values=True)
        self.seen: dict[str, torch.Tensor] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if (
            n.op in ("placeholder", "call_function")
            and isinstance(value, torch.Tensor)
            and value.is_floating_point()
        ):
            self.seen[n.name] = value.detach().clone()
        return value
