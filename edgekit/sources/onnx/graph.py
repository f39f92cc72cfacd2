"""An ONNX graph as plain values: nodes with decoded attributes, constants as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from edgekit.errors import ModelError
from edgekit.sources.onnx.values import Known

DOMAIN = ("", "ai.onnx")


@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """One operator. A name is empty where an optional input or output is left out."""

    domain: str
    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    version: int
    """Of the operator set that its domain comes from."""

    def __str__(self) -> str:
        place = self.name or next(iter(filter(None, self.outputs)), "")
        return f"{self.kind} '{place}'"

    @property
    def subgraphs(self) -> list[Graph]:
        """The graphs among its attributes."""
        return [g for g in self.attributes.values() if isinstance(g, Graph)]


@dataclass(frozen=True, kw_only=True, eq=False)
class GraphTensor:
    """An input or output of the file: sizes are numbers, names of free ones, or `None`."""

    name: str
    dtype: int
    """As `onnx.TensorProto` numbers them; 0 where the file has none."""
    shape: tuple[int | str | None, ...] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Graph:
    """A graph of the file: its nodes, constants and outputs."""

    nodes: tuple[Node, ...]
    constants: Mapping[str, Known]
    anonymous: frozenset[str]
    """Constants that no one named: those of Constant nodes."""
    inputs: tuple[GraphTensor, ...]
    outputs: tuple[GraphTensor, ...]


def parsed(model: onnx.ModelProto) -> Graph:
    """The model's main graph."""
    versions = {entry.domain: entry.version for entry in model.opset_import}
    return _graph(model.graph, versions)


def _graph(proto: onnx.GraphProto, versions: Mapping[str, int]) -> Graph:
    constants = {each.name: array(each) for each in proto.initializer}
    for each in proto.sparse_initializer:
        constants[each.values.name] = dense(each)
    anonymous = set()
    nodes = []
    for number, each in enumerate(proto.node):
        node = _node(each, versions, number)
        if node.kind == "Constant" and node.domain == "":
            constants[node.outputs[0]] = _constant(node)
            anonymous.add(node.outputs[0])
        else:
            nodes.append(node)
    return Graph(
        nodes=tuple(nodes),
        constants=constants,
        anonymous=frozenset(anonymous),
        inputs=tuple(_graph_tensor(i) for i in proto.input if i.name not in constants),
        outputs=tuple(map(_graph_tensor, proto.output)),
    )


def _node(proto: onnx.NodeProto, versions: Mapping[str, int], number: int) -> Node:
    domain = "" if proto.domain in DOMAIN else proto.domain
    version = versions.get(domain, versions.get("ai.onnx", 1 if domain else 0))
    if not version:
        raise ModelError(
            f"The file lacks the version of the operators that {proto.op_type} is of."
        )
    return Node(
        domain=domain,
        kind=proto.op_type,
        name=proto.name,
        inputs=tuple(proto.input),
        outputs=tuple(proto.output),
        attributes={a.name: _attribute(a, versions) for a in proto.attribute},
        version=version,
    )


def _attribute(proto: onnx.AttributeProto, versions: Mapping[str, int]) -> Any:
    value = onnx.helper.get_attribute_value(proto)
    if isinstance(value, onnx.GraphProto):
        return _graph(value, versions)
    if isinstance(value, onnx.TensorProto):
        return array(value)
    if isinstance(value, onnx.SparseTensorProto):
        return dense(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, int | float):
        return value
    return [v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in value]


def array(proto: onnx.TensorProto) -> Known:
    """A tensor's content in memory of its own."""
    return np.array(numpy_helper.to_array(proto))


def dense(proto: onnx.SparseTensorProto) -> Known:
    """A sparse tensor's content, its zeros written out."""
    values, indices = array(proto.values), array(proto.indices)
    whole = np.zeros(tuple(proto.dims), values.dtype)
    if indices.ndim == 1:
        whole.reshape(-1)[indices] = values
    else:
        whole[tuple(indices.T)] = values
    return whole


_PLAIN = {
    "value_float": np.float32,
    "value_floats": np.float32,
    "value_int": np.int64,
    "value_ints": np.int64,
}


def _constant(node: Node) -> Known:
    for name, value in node.attributes.items():
        if name in ("value", "sparse_value"):
            return np.asarray(value)
        if name in _PLAIN:
            return np.array(value, _PLAIN[name])
    raise ModelError(f"{node} holds text or nothing, which no network computes with.")


def _graph_tensor(proto: onnx.ValueInfoProto) -> GraphTensor:
    kind = proto.type.tensor_type  # empty for other types, and in subgraphs
    shape = None
    if kind.HasField("shape"):
        shape = tuple(
            d.dim_value if d.HasField("dim_value") else d.dim_param or None
            for d in kind.shape.dim
        )
    return GraphTensor(name=proto.name, dtype=kind.elem_type, shape=shape)


def reads(node: Node) -> set[str]:
    """Names that a node takes, those that its subgraphs take from outside counted."""
    found = set(filter(None, node.inputs))
    for graph in node.subgraphs:
        inner = {tensor.name for tensor in graph.inputs} | set(graph.constants)
        taken = {tensor.name for tensor in graph.outputs}
        for each in graph.nodes:
            taken |= reads(each)
            inner.update(each.outputs)
        found |= taken - inner
    return found


def needed(graph: Graph, outputs: Sequence[str]) -> Iterator[Node]:
    """The nodes that `outputs` depend on, in the order of the file."""
    requested, kept = set(outputs), []
    for node in reversed(graph.nodes):
        if requested.intersection(filter(None, node.outputs)):
            requested |= reads(node)
            kept.append(node)
    return reversed(kept)
