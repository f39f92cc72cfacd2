"""Let what stays of a cut network stand in for what left, by least squares, before training.

A layer that lost inputs, or reads a stream from which a block was dropped, is fitted anew: its
output on a few samples is to be what the whole network's was, as far as the inputs that are left
can make it (He et al., "Channel pruning", 2017, arXiv:1707.06168). Layers are fitted in order,
each on what those before it, already fitted, make of the samples, so that errors do not pile up.
The taps of a convolution share one mixing of channels. Batch norm takes its statistics from the
same samples (Li et al., "EagleEye", 2020, arXiv:2007.02491).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, fx

from edgekit.prune.graph import WidthGraph
from edgekit.prune.labels import Axes
from edgekit.prune.propagate import attribute
from edgekit.prune.readers import WIDEST, Reader, readers
from edgekit.prune.rewrite import Cut
from edgekit.prune.surgery import cut_of, shrink, sliced
from edgekit.source.program import Program, set_training
from edgekit.types import Plan

Inputs = tuple[Tensor, ...]

_DAMPING = 0.01
"""Of the inputs' mean square: keeps a fit to few samples from chasing noise."""
_ROWS_PER_INPUT = 2
"""A layer with fewer samples than this for each of its inputs is left as it was cut."""


def compensate(graph: WidthGraph, plan: Plan, inputs: Inputs) -> Program:
    """`shrink(graph, plan)` with the layers that read what was cut fitted on `inputs`.

    `inputs` are the network's, each (samples, ...). Activations of all samples are in memory
    together, the whole network's and the cut one's. Grouped convolutions, recurrent cells and
    weights that serve twice stay as they were cut.
    """
    student = shrink(graph, plan)
    set_training(student.module, False)
    with torch.no_grad():
        _Fitting(graph, cut_of(graph, plan), student.module, inputs).run(*inputs)
    return student


class _Fitting(fx.Interpreter):
    """Runs the cut network, fitting each layer just before it runs."""

    def __init__(
        self, graph: WidthGraph, cut: Cut, student: fx.GraphModule, inputs: Inputs
    ) -> None:
        super().__init__(student)
        self.cut = cut
        self.weights = _serving_once(graph)
        self.axes = _axes(graph)
        self.fitted = _parameters(student)
        self.readers = {
            reader.parameter: reader
            for reader in readers(graph.program)
            if reader.source in graph.live
            and reader.groups == 1
            and reader.channels <= WIDEST
            and reader.parameter in self.weights
        }
        whole = graph.program.module
        self.whole = _Whole(whole, inputs, self.readers.values())

    def run_node(self, n: fx.Node) -> Any:
        if n.target is torch.ops.aten.batch_norm.default:
            (values, *others), _ = self.fetch_args_kwargs_from_env(n)
            weight, bias, mean, variance, _, _, epsilon = others[:7]
            own = (True, 1.0, epsilon, False)  # these samples' statistics, kept
            return torch.batch_norm(values, weight, bias, mean, variance, *own)
        reader = self.readers.get(_argument(n, 1) or "")
        if reader is not None:
            self._fit(reader, n)
        return super().run_node(n)

    def _fit(self, reader: Reader, node: fx.Node) -> None:
        whole = _rows(self.whole.at(cast(fx.Node, reader.source)), reader)
        left = _rows(self.env[node.all_input_nodes[0]], reader)
        inputs = left.shape[1]
        if len(left) < _ROWS_PER_INPUT * inputs or len(whole) != len(left):
            return
        name, bias = reader.parameter, _argument(node, 2)
        shifted = bias in self.weights
        centres = whole.mean(0), left.mean(0)
        if shifted:
            whole, left = whole - centres[0], left - centres[1]
        axes = self.axes[name]
        mixing = _mixing(whole, left, self._indices(axes, reader.dim, inputs))
        if not torch.isfinite(mixing).all():
            return
        old = self.weights[name].detach()
        change = (old.movedim(reader.dim, -1) @ mixing).movedim(-1, reader.dim)
        written: Axes = [None if d == reader.dim else a for d, a in enumerate(axes)]
        new = sliced(old, axes, self.cut) + sliced(change, written, self.cut)
        self.fitted[name].data.copy_(new)
        if shifted and bias is not None:
            wanted = _response(old, centres[0], reader)
            kept = list(self._indices(self.axes[bias], 0, len(wanted)))
            gap = wanted[kept] - _response(new, centres[1], reader)
            self.fitted[bias].data += gap

    def _indices(self, axes: Axes, dim: int, size: int) -> Sequence[int]:
        axis = axes[dim]
        return range(size) if axis is None else self.cut.indices(axis)


class _Whole(fx.Interpreter):
    """The whole network on the same samples, run as far as it is asked for."""

    def __init__(
        self, module: fx.GraphModule, inputs: Inputs, asking: Iterable[Reader]
    ) -> None:
        super().__init__(module)
        self.args_iter = iter(inputs)
        self.steps = iter(module.graph.nodes)
        self.asked = Counter(reader.source for reader in asking)

    def at(self, node: fx.Node) -> Tensor:
        """The value of a node that a reader has for its source."""
        while node not in self.env:
            step = next(self.steps)
            self.env[step] = self.run_node(step)
            for used in self.user_to_last_uses.get(step, ()):
                if not self.asked[used]:
                    del self.env[used]
        return cast(Tensor, self.env[node])


def _mixing(whole: Tensor, left: Tensor, kept: Sequence[int]) -> Tensor:
    """(inputs, inputs left): what each input is, beside itself, of those that are left."""
    second = left.T @ left / len(left)
    cross = whole.T @ left / len(left)
    cross[list(kept)] -= second
    damping = _DAMPING * second.diagonal().mean() + 1e-12
    damped = second + damping * torch.eye(len(second), device=second.device)
    solution: Tensor = torch.linalg.solve(damped, cross.T)
    return solution.T


def _rows(values: Tensor, reader: Reader) -> Tensor:
    """What a layer reads, as (positions of all samples, inputs)."""
    rows = values.movedim(reader.channel_dim, -1)
    return rows.reshape(-1, rows.shape[-1]).float()


def _response(weight: Tensor, inputs: Tensor, reader: Reader) -> Tensor:
    """A layer's output (outputs,) where its inputs (inputs,) are the same everywhere."""
    by_output = weight.movedim(reader.dim, -1) @ inputs
    return by_output.flatten(1).sum(1) if by_output.dim() > 1 else by_output


def _serving_once(graph: WidthGraph) -> dict[str, Tensor]:
    """The parameters that one operator alone takes."""
    module = graph.program.module
    uses = Counter(
        id(attribute(module, str(node.target)))
        for node in module.graph.find_nodes(op="get_attr")
        for _ in node.users
    )
    return {n: p for n, p in _parameters(module).items() if uses[id(p)] == 1}


def _axes(graph: WidthGraph) -> dict[str, Axes]:
    nodes = graph.program.module.graph.find_nodes(op="get_attr")
    return {str(node.target): graph.axes(node) for node in nodes if node in graph.live}


def _argument(node: fx.Node, position: int) -> str | None:
    """The name of the parameter that an operator takes at a position."""
    if node.op != "call_function" or len(node.args) <= position:
        return None
    given = node.args[position]
    if isinstance(given, fx.Node) and given.op == "get_attr":
        return str(given.target)
    return None


def _parameters(module: fx.GraphModule) -> dict[str, Tensor]:
    return dict(module.named_parameters(remove_duplicate=False))
