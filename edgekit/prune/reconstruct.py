"""Let what stays of a cut network stand in for what left, by least squares, before training.

A layer that lost inputs, or reads a stream from which a block was dropped, is fitted again: its
output on a few samples approximates the whole network's, as far as the remaining inputs can (He
et al., "Channel pruning", 2017, arXiv:1707.06168). The last layer of a residual branch that
ends in batch norm makes up for the stream as well: the sum is to be the whole network's, the
one after the blocks that were dropped behind it. Layers are fitted in order, each on what those
before it, already fitted, make of the samples, so that errors do not pile up. Batch norm takes
its statistics from the same samples (Li et al., "EagleEye", 2020, arXiv:2007.02491).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, fx

from edgekit.graph.graph import WidthGraph
from edgekit.graph.labels import Axes
from edgekit.graph.propagate import call_of, operator_name
from edgekit.graph.surgery import cut_of, shrink, sliced
from edgekit.program.parameters import argument_name, serving_once
from edgekit.program.placement import CPU, best_device, place, placed
from edgekit.program.program import Program, set_training
from edgekit.prune import regression
from edgekit.prune.branch_outputs import branch_outputs, normalized
from edgekit.prune.consumers import WIDEST, Consumer, consumers
from edgekit.prune.regression import LEAST_ROWS, Window, mixing
from edgekit.types import Plan

Inputs = tuple[Tensor, ...]

_CONVOLUTIONS = ("conv1d", "conv2d")


def reconstruct(
    graph: WidthGraph,
    plan: Plan,
    inputs: Inputs,
    *,
    device: torch.device | None = None,
) -> Program:
    """`shrink(graph, plan)` with the layers that read what was cut fitted on `inputs`.

    `inputs` are the network's, each (samples, ...). Activations of all samples are in memory
    together, the whole network's and the cut one's, on `device`, by default the accelerator where
    there is one. Grouped convolutions, recurrent cells and weights that serve twice stay as they
    were cut.
    """
    on = device or best_device()
    student = shrink(graph, plan)
    set_training(student.module, False)
    inputs = tuple(each.to(on) for each in inputs)
    with torch.no_grad(), placed(graph.program.module, on):
        _Fitting(graph, plan, place(student.module, on), inputs).run(*inputs)
    place(student.module, CPU)
    return student


class _Fitting(fx.Interpreter):
    """Runs the cut network, fitting each layer just before it runs."""

    def __init__(
        self, graph: WidthGraph, plan: Plan, student: fx.GraphModule, inputs: Inputs
    ) -> None:
        super().__init__(student)
        self.cut = cut_of(graph, plan)
        self.weights = serving_once(graph.program.module)
        self.axes = _axes(graph)
        self.fitted = _parameters(student)
        self.consumers = {
            consumer.parameter: consumer
            for consumer in consumers(graph.program)
            if consumer.source in graph.live
            and consumer.groups == 1
            and consumer.channels <= WIDEST
            and consumer.parameter in self.weights
        }
        self.branch_outputs = branch_outputs(graph, plan, student.graph, self.weights)
        self.originals = {node.name: node for node in graph.program.module.graph.nodes}
        asked = Counter(
            node
            for layer in student.graph.nodes
            if (consumer := self._consumer(layer)) is not None
            for node in self._asked(consumer, layer)
        )
        self.whole = _Whole(graph.program.module, inputs, asked)

    def run_node(self, n: fx.Node) -> Any:
        if n.target is torch.ops.aten.batch_norm.default:
            (values, *others), _ = self.fetch_args_kwargs_from_env(n)
            weight, bias, mean, variance, _, _, epsilon = others[:7]
            own = (True, 1.0, epsilon, False)  # these samples' statistics, kept
            return torch.batch_norm(values, weight, bias, mean, variance, *own)
        consumer = self._consumer(n)
        if consumer is not None:
            source, desired = (self.whole.at(node) for node in self._asked(consumer, n))
            left = self.env[n.all_input_nodes[0]]
            if len(source) == len(left):
                self._mix(consumer, n, source, left)
                self._refit(consumer, n, left, desired)
        return super().run_node(n)

    def _consumer(self, layer: fx.Node) -> Consumer | None:
        known = layer.name in self.originals
        return self.consumers.get(argument_name(layer, 1)) if known else None

    def _asked(self, consumer: Consumer, layer: fx.Node) -> tuple[fx.Node, fx.Node]:
        """Values of the whole network: a layer's input, and its output."""
        branch_output = self.branch_outputs.get(layer)
        desired = branch_output.whole if branch_output else self.originals[layer.name]
        return cast(fx.Node, consumer.source), desired

    def _mix(
        self, consumer: Consumer, node: fx.Node, source: Tensor, inputs: Tensor
    ) -> None:
        """Let the inputs that are left make those that went, all taps of a kernel alike."""
        dim, remaining = consumer.channel_dim, inputs.shape[consumer.channel_dim]
        positions = inputs.numel() // remaining
        if positions < LEAST_ROWS * remaining:
            return
        if source.numel() // source.shape[dim] != positions:
            return
        name, bias = consumer.parameter, argument_name(node, 2)
        shifted, axes = bias in self.weights, self.axes[consumer.parameter]
        found, centers = mixing(
            source.movedim(dim, -1),
            inputs.movedim(dim, -1),
            self._indices(axes, consumer.dim, remaining),
            centered=shifted,
        )
        if not torch.isfinite(found).all():
            return
        old = self.weights[name].detach()
        change = (old.movedim(consumer.dim, -1) @ found).movedim(-1, consumer.dim)
        written: Axes = [None if d == consumer.dim else a for d, a in enumerate(axes)]
        new = sliced(old, axes, self.cut) + sliced(change, written, self.cut)
        self.fitted[name].data.copy_(new)
        if shifted:
            desired = _response(old, centers[0], consumer)
            kept = self._indices(self.axes[bias], 0, len(desired))
            gap = desired[torch.tensor(kept, device=desired.device)] - _response(
                new, centers[1], consumer
            )
            self.fitted[bias].data += gap

    def _refit(
        self, consumer: Consumer, node: fx.Node, inputs: Tensor, desired: Tensor
    ) -> None:
        """Let every weight follow what the layer is to make, tap by tap."""
        window = _window(node, self.weights[consumer.parameter])
        if window is None:
            return
        weight = self.fitted[consumer.parameter].data
        product = consumer.dim == 0
        dim = 1 if window.size else -1
        outputs = 1 - consumer.dim
        axes = self.axes[consumer.parameter]
        kept = self._indices(axes, outputs, weight.shape[outputs])
        desired = desired.index_select(dim, torch.tensor(kept, device=desired.device))
        bias, branch_output = argument_name(node, 2), self.branch_outputs.get(node)
        target = desired
        if branch_output:
            desired = desired - self._ahead(branch_output.stream)
            slopes = branch_output.slopes(self.module, desired)
            target = desired / slopes
        change = regression.refit(
            weight.T if product else weight,
            window,
            inputs,
            target,
            bias=self.fitted[bias].detach() if bias else None,
            shifted=bias in self.weights or normalized(node),
        )
        if change is None:
            return
        weight += change[0].T if product else change[0]
        if bias in self.weights:
            self.fitted[bias].data += change[1]
        if branch_output:
            branch_output.set(self.fitted, desired, slopes)

    def _ahead(self, node: fx.Node) -> Tensor:
        """The value of a node of the cut network, run before its turn where need be."""
        waiting = [node]
        while waiting:
            missing = [n for n in waiting[-1].all_input_nodes if n not in self.env]
            if waiting[-1] in self.env or not missing:
                last = waiting.pop()
                if last not in self.env:
                    self.env[last] = self.run_node(last)
            else:
                waiting += missing
        return cast(Tensor, self.env[node])

    def _indices(self, axes: Axes, dim: int, size: int) -> Sequence[int]:
        axis = axes[dim]
        return range(size) if axis is None else self.cut.indices(axis)


class _Whole(fx.Interpreter):
    """The whole network on the same samples, run as far as it is asked for."""

    def __init__(
        self, module: fx.GraphModule, inputs: Inputs, asked: Counter[fx.Node]
    ) -> None:
        """`asked` is how often each node's value will be looked up; then it is let go."""
        super().__init__(module)
        self.args_iter = iter(inputs)
        self.steps = iter(module.graph.nodes)
        self.asked = asked
        self.used: set[fx.Node] = set()

    def at(self, node: fx.Node) -> Tensor:
        while node not in self.env:
            step = next(self.steps)
            self.env[step] = self.run_node(step)
            for last in self.user_to_last_uses.get(step, ()):
                self.used.add(last)
                self._release(last)
        value = cast(Tensor, self.env[node])
        self.asked[node] -= 1
        self._release(node)
        return value

    def _release(self, node: fx.Node) -> None:
        if node in self.used and not self.asked[node]:
            self.env.pop(node, None)


def _window(node: fx.Node, weight: Tensor) -> Window | None:
    """The rows that a layer reads, or `None` where its weights cannot be fitted one by one."""
    name = operator_name(node)
    if name in ("linear", "matmul"):
        return Window()
    if name not in _CONVOLUTIONS:
        return None
    call, size = call_of(node), tuple(weight.shape[2:])
    given = (call["stride"], call["padding"], call["dilation"])
    if any(isinstance(each, str) for each in given):
        return None
    stride, padding, dilation = (
        tuple(each) * (len(size) // len(each)) for each in given
    )
    return Window(size=size, stride=stride, padding=padding, dilation=dilation)


def _response(weight: Tensor, inputs: Tensor, consumer: Consumer) -> Tensor:
    """A layer's output (outputs,) where its inputs (inputs,) are the same everywhere."""
    by_output = weight.movedim(consumer.dim, -1) @ inputs
    return by_output.flatten(1).sum(1) if by_output.dim() > 1 else by_output


def _axes(graph: WidthGraph) -> dict[str, Axes]:
    nodes = graph.program.module.graph.find_nodes(op="get_attr")
    return {str(node.target): graph.axes(node) for node in nodes if node in graph.live}


def _parameters(module: fx.GraphModule) -> dict[str, Tensor]:
    return dict(module.named_parameters(remove_duplicate=False))
