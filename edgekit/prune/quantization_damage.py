"""Measure the change of the network's outputs where one operator is in int8.

Each operator alone computes from values that are rounded to 8 bits, with ranges of the same samples
and weights by channel, and gives the next operator what it would round: the divergence from the
whole network's answers is the damage. Damages are taken to add up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, fx

from edgekit.cost.operator_shape import describe
from edgekit.graph.graph import WidthGraph
from edgekit.graph.surgery import shrink
from edgekit.program.ends import in_logarithms
from edgekit.program.placement import OnDevice, best_device, place, room
from edgekit.prune.reuse import KEPT_BYTES, Inputs, Reuse
from edgekit.prune.sensitivity import mean_divergence, outputs_of
from edgekit.types import Plan

_CHANNELS = {
    **dict.fromkeys(("conv1d", "conv2d", "linear"), 0),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d"), 1),
}
"""Dimension of a weight that has a scale of its own for each channel."""
_ACTIVATIONS, _WEIGHTS = (-128, 127), (-127, 127)


def quantization_damage(
    graph: WidthGraph,
    batches: Sequence[Inputs],
    *,
    on_progress: Callable[[int, int], None] | None = None,
    device: torch.device | None = None,
) -> dict[str, float]:
    """Expected loss increase of each operator that costs something, by its node's name.

    Takes as many forward passes of the batches, of what is behind each operator.
    """
    on = device or best_device()
    batches = OnDevice(batches=batches, device=on)
    whole = place(in_logarithms(shrink(graph, Plan(kept={}))).module, on)
    reuse = Reuse(whole, batches, room(KEPT_BYTES, on))
    expected = [outputs_of(whole, inputs) for inputs in batches]
    nodes = [node.name for node in _operators(graph)]
    ranges = _ranges(whole, {*nodes}, batches)
    found = {}
    for number, name in enumerate(nodes):
        if on_progress:
            on_progress(number, len(nodes))
        variant = _rounded(whole, name, ranges)
        found[name] = max(0.0, mean_divergence(reuse.outputs(variant), expected))
    return found


def _operators(graph: WidthGraph) -> Iterator[fx.Node]:
    for node in graph.program.module.graph.nodes:
        if describe(graph, node) is not None:
            yield node


class _Watcher(fx.Interpreter):
    """Takes the least and the largest value of what some nodes read."""

    def __init__(self, module: fx.GraphModule, names: set[str]) -> None:
        super().__init__(module)
        watched = [n for n in module.graph.nodes if n.name in names]
        self._watched = {one for node in watched for one in node.all_input_nodes}
        self.ranges: dict[str, tuple[float, float]] = {}

    def run_node(self, n: fx.Node) -> object:
        value = super().run_node(n)
        if (
            n in self._watched
            and isinstance(value, Tensor)
            and value.is_floating_point()
        ):
            low, high = self.ranges.get(n.name, (0.0, 0.0))
            least, most = float(value.min()), float(value.max())
            self.ranges[n.name] = min(low, least), max(high, most)
        return value


def _ranges(
    module: fx.GraphModule, names: set[str], batches: Sequence[Inputs]
) -> dict[str, tuple[float, float]]:
    watcher = _Watcher(module, names)
    with torch.no_grad():
        for inputs in batches:
            watcher.run(*inputs)
    return watcher.ranges


def _rounded(
    module: fx.GraphModule, name: str, ranges: dict[str, tuple[float, float]]
) -> fx.GraphModule:
    """The network with one operator that computes from rounded values."""
    graph = fx.Graph()
    known: dict[fx.Node, fx.Node] = {}
    graph.graph_copy(module.graph, known)
    [end] = module.graph.find_nodes(op="output")
    graph.output(fx.map_arg(end.args[0], known.__getitem__))
    node = next(each for each in graph.nodes if each.name == name)
    channels = _CHANNELS.get(getattr(node.target, "__name__", "").partition(".")[0])
    for position, read in enumerate(node.all_input_nodes):
        with graph.inserting_before(node):
            if channels is not None and position == 1:
                rounded = graph.call_function(_weight, (read, channels))
            elif channels is not None and position > 1:
                continue  # biases are of 32 bits
            elif read.name in ranges:
                rounded = graph.call_function(_activation, (read, *ranges[read.name]))
            else:
                continue
        node.replace_input_with(read, rounded)
    graph.lint()
    return fx.GraphModule(module, graph)


def _activation(values: Tensor, low: float, high: float) -> Tensor:
    least, most = _ACTIVATIONS
    scale = max(high - low, 1e-12) / (most - least)
    zero = least - round(low / scale)
    return torch.fake_quantize_per_tensor_affine(values, scale, zero, least, most)


def _weight(values: Tensor, axis: int) -> Tensor:
    least, most = _WEIGHTS
    others = [place for place in range(values.dim()) if place != axis]
    scales = values.abs().amax(others).clamp_min(1e-12) / most
    zeros = torch.zeros_like(scales, dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(
        values, scales, zeros, axis, least, most
    )
