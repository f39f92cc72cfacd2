"""View of an operator's function on its node and on the walk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from edgekit.errors import ModelError
from edgekit.sources.onnx.batch import Batch
from edgekit.sources.onnx.constants import Constants
from edgekit.sources.onnx.graph import Graph, Node
from edgekit.sources.onnx.values import Value, symbolic, tensor_of


class Walking(Protocol):
    """Interface of a walk over a graph."""

    constants: Constants
    batch: Batch

    def run(
        self,
        graph: Graph,
        given: Mapping[str, Value],
        outer: Mapping[str, Value] | None = None,
    ) -> list[Value]:
        """Outputs of a graph for given values, with those of an outer graph."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Call:
    """One operator while it is computed."""

    node: Node
    walk: Walking
    scope: Mapping[str, Value]

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute of the node."""
        return self.node.attributes.get(name, default)

    @property
    def version(self) -> int:
        """The version of the operator's domain."""
        return self.node.version

    @property
    def batch(self) -> Batch:
        """The batch of the walk."""
        return self.walk.batch

    @property
    def outputs(self) -> int:
        """Number of the node's outputs, those left out counted."""
        return len(self.node.outputs)

    def tensor(self, value: Value, role: str = "") -> Tensor:
        """A value as a tensor; a constant of the file is a parameter or buffer."""
        if isinstance(value, Tensor):
            return value
        if symbolic(value):
            return tensor_of(value)
        return self.walk.constants.tensor(value, role, self.node)

    def run(self, graph: Graph, given: Sequence[Value]) -> list[Value]:
        """The outputs of a subgraph, which also sees the values around the node."""
        names = [tensor.name for tensor in graph.inputs]
        inner = dict(zip(names, given, strict=True))
        return self.walk.run(graph, inner, self.scope)

    def refuse(self, why: str) -> ModelError:
        """The error to raise for what the reader does not do."""
        return ModelError(f"The ONNX operator {self.node} {why}.")
