"""An ONNX file read with care: sizes checked first, weights beside it only from its own folder."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import onnx
from onnx import inliner

from edgekit.errors import ModelError
from edgekit.safe_io import check_regular, read_bytes, reading
from edgekit.sources.onnx import registry
from edgekit.sources.onnx.operators.attention import PLAIN

FIX = "Check that the file is a whole ONNX model."
_OPSETS = (7, 28)
_BITS = {
    1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64,
    14: 64, 15: 128, 16: 16, 17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4, 24: 8,
}  # fmt: skip
_ELSEWHERE = ("Constant", "DynamicQuantizeLinear")
"""Rewrites before the graph is walked."""
_MOST = 1 << 34
"""Most bytes of all weights together."""


def read(path: Path) -> onnx.ModelProto:
    """The model in `path`, its weights in memory and its functions written out.

    Raises `ModelError` in one line for an unsound model, and for weights that lie outside of
    the model's folder.
    """
    content = read_bytes(path, ModelError)
    with reading(path, ModelError, kind="an ONNX model", fix=FIX):
        model = onnx.ModelProto.FromString(content)
        if not model.graph.node:
            raise ValueError("it has no operators")
        _check_names(model)
        for tensor in _tensors(model):
            _fill(tensor, path)
            _check(tensor)
        _check_version(model, path)
        for graph in _graphs(model.graph):
            _order(graph)
        return inlined(model)


def _check_names(model: onnx.ModelProto) -> None:
    """Names are text: bytes that are not UTF-8 stay bytes."""
    for graph in _graphs(model.graph):
        named = (*graph.initializer, *graph.input, *graph.output)
        names = [each.name for each in named]
        for node in graph.node:
            names += [node.name, node.op_type, node.domain, *node.input, *node.output]
            names += [attribute.name for attribute in node.attribute]
        if not all(isinstance(name, str) for name in names):
            raise ValueError("a name in it is not UTF-8 text")


def _check_version(model: onnx.ModelProto, path: Path) -> None:
    versions = [e.version for e in model.opset_import if e.domain in ("", "ai.onnx")]
    if versions and not _OPSETS[0] <= versions[0] <= _OPSETS[1]:
        raise ModelError(
            f"{path} is of operator set {versions[0]}; those from {_OPSETS[0]} to {_OPSETS[1]} "
            "can be read. Convert it with onnx.version_converter."
        )


def inlined(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without functions: its own, and those standard operators that are composed of
    others and that the reader has no function for."""
    if model.functions:
        model = inliner.inline_local_functions(model)
    requested = {
        (node.domain, node.op_type)
        for node in nodes(model.graph)
        if node.domain in ("", "ai.onnx") and not _entered(node)
    }
    composed = [name for name in requested if _is_composed(name[1])]
    return _written_out(model, composed) if composed else model


def _written_out(
    model: onnx.ModelProto, composed: list[tuple[str, str]]
) -> onnx.ModelProto:
    """The model with these operators in place by what they are composed of.

    As it is where ONNX cannot: the walk then names the operator that it does not take.
    """
    try:
        typed = onnx.shape_inference.infer_shapes(model)
        return inliner.inline_selected_functions(
            typed, composed, inline_schema_functions=True
        )
    except (RuntimeError, ValueError, onnx.shape_inference.InferenceError):
        return model


def _entered(node: onnx.NodeProto) -> bool:
    """Return whether the reader has a function for a standard operator as the node uses it."""
    if node.op_type == "Attention":
        said = {attribute.name for attribute in node.attribute}
        return said <= PLAIN and len(node.output) <= 3 and len(node.input) <= 6
    return node.op_type in _ELSEWHERE or ("", node.op_type) in registry.names()


def _is_composed(kind: str) -> bool:
    if not onnx.defs.has(kind):
        return False
    schema = onnx.defs.get_schema(kind)
    return bool(schema.has_function or schema.has_context_dependent_function)


def nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Every node, those of subgraphs too."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from nodes(attribute.g)


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)


def _order(graph: onnx.GraphProto) -> None:
    """Put each node behind those that it reads, in place: some converters append casts at the
    end, and ONNX Runtime sorts them. A cycle is left for the walk to name."""
    makers = {
        name: n for n, node in enumerate(graph.node) for name in node.output if name
    }
    reads = {n: _makers(node, makers) for n, node in enumerate(graph.node)}
    if all(maker < n for n, found in reads.items() for maker in found):
        return
    try:
        order = [*TopologicalSorter(reads).static_order()]
    except CycleError:
        return
    kept = [graph.node[n] for n in order]
    copied = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept]
    del graph.node[:]
    graph.node.extend(copied)


def _makers(node: onnx.NodeProto, makers: Mapping[str, int]) -> set[int]:
    """The nodes that a node and its subgraphs read."""
    inner = (a.g for a in node.attribute if a.HasField("g"))
    read = [*node.input, *(name for g in inner for n in nodes(g) for name in n.input)]
    return {makers[name] for name in read if name in makers}


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    bodies = [node for function in model.functions for node in function.node]
    for graph in _graphs(model.graph):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield sparse.values
            yield sparse.indices
        bodies.extend(graph.node)
    for node in bodies:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            if attribute.HasField("sparse_tensor"):
                yield attribute.sparse_tensor.values
                yield attribute.sparse_tensor.indices


def _fill(tensor: onnx.TensorProto, path: Path) -> None:
    """Put weights that lie in a file beside the model into it."""
    if tensor.data_location != onnx.TensorProto.EXTERNAL:
        return
    said = {entry.key: entry.value for entry in tensor.external_data}
    place = beside(path, said.get("location", ""))
    offset, requested = int(said.get("offset", 0)), _bytes(tensor)
    check_regular(place, ModelError)
    if offset < 0 or offset + requested > place.stat().st_size:
        raise ValueError(f"{tensor.name[:60]!r} lies beyond the end of {place.name}")
    with place.open("rb") as file:
        file.seek(offset)
        tensor.raw_data = file.read(requested)
    tensor.data_location = onnx.TensorProto.DEFAULT
    del tensor.external_data[:]


def beside(path: Path, location: str) -> Path:
    """A file with weights, which lies in the folder of the model or below it."""
    folder = path.parent.resolve()
    found = (folder / location).resolve()
    if not location or Path(location).is_absolute() or folder not in found.parents:
        raise ModelError(
            f"{path} takes weights from {location[:80]!r}, outside of its folder. Save the model "
            "again with its weights beside it."
        )
    return found


def _bytes(tensor: onnx.TensorProto) -> int:
    bits = _BITS.get(tensor.data_type)
    if bits is None:
        raise ValueError(f"{tensor.name[:60]!r} holds no numbers")
    if any(size < 0 for size in tensor.dims):
        raise ValueError(f"{tensor.name[:60]!r} has a size below 0")
    total = -(-math.prod(tensor.dims) * bits // 8)
    if total > _MOST:
        raise ValueError(f"{tensor.name[:60]!r} would take {total:,} bytes")
    return total  # type: ignore[no-any-return]


def _check(tensor: onnx.TensorProto) -> None:
    """A tensor holds as much as its shape claims, so that decoding it takes no more memory."""
    if tensor.data_type == onnx.TensorProto.STRING:
        return
    requested = _bytes(tensor)
    if tensor.HasField("raw_data"):
        if len(tensor.raw_data) != requested:
            raise ValueError(
                f"{tensor.name[:60]!r} of shape {list(tensor.dims)} holds "
                f"{len(tensor.raw_data):,} bytes, not {requested:,}"
            )
        return
    held = max(
        len(field)
        for field in (
            tensor.float_data,
            tensor.int32_data,
            tensor.int64_data,
            tensor.double_data,
            tensor.uint64_data,
        )
    )
    if held * 16 < requested:
        raise ValueError(
            f"{tensor.name[:60]!r} of shape {list(tensor.dims)} holds {held:,} numbers"
        )
