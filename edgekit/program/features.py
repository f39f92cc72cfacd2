"""A network's own features: what its last layer with weights is given."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx

from edgekit.program.feeds import Given, feeds_of
from edgekit.program.program import Program

_WEIGHTED = ("aten.linear", "aten.addmm", "aten.conv", "aten.matmul", "aten.mm.")


def features(program: Program, samples: Given) -> NDArray[np.float32]:
    """(n, *shape) of each input to (n, features): the penultimate values, or the outputs where no
    layer has weights. Dimensions after the first two are averaged."""
    recorder = _Recorder(program.module, _source(program.module.graph))
    batch = program.tensors(feeds_of(samples))
    with torch.inference_mode():
        result = recorder.run(*batch)
    values = result if recorder.value is None else recorder.value
    while not isinstance(values, torch.Tensor):
        values = next(iter(values.values() if isinstance(values, dict) else values))
    if values.ndim > 2:
        values = values.flatten(2).mean(2)
    found: NDArray[np.float32] = values.reshape(len(batch[0]), -1).float().numpy()
    return found


class _Recorder(fx.Interpreter):
    """Keeps what one node gave."""

    def __init__(self, module: fx.GraphModule, last_node: fx.Node | None) -> None:
        super().__init__(module)
        self.last_node = last_node
        self.value: Any = None

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if n is self.last_node:
            self.value = result
        return result


def _source(graph: fx.Graph) -> fx.Node | None:
    """The input of the last layer with weights of its own."""
    for node in reversed(graph.nodes):
        weighted = any(kind in str(node.target) for kind in _WEIGHTED)
        if node.op == "call_function" and weighted:
            inputs = [each for each in node.all_input_nodes if each.op != "get_attr"]
            if len(inputs) == 1 and len(node.all_input_nodes) > 1:
                source: fx.Node = inputs[0]
                return source
    return None
