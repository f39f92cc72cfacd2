"""A TFLite file as objects and back, in the form that every runtime and tool reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import flatbuffers
import numpy as np

from edgekit.errors import ArtifactError

_ALIGNMENT = 16
"""Of tensors' bytes: runtimes read them where they lie."""


class _Builder(flatbuffers.Builder):  # type: ignore[misc]
    """Aligns vectors of bytes by TFLite's schema, which Python's generated code does not."""

    def StartVector(self, size: int, count: int, alignment: int) -> Any:
        at_least = max(alignment, _ALIGNMENT) if size == 1 else alignment
        return super().StartVector(size, count, at_least)


def schema() -> Any:
    """The classes of TFLite's own schema."""
    from ai_edge_litert import schema_py_generated

    return schema_py_generated


def root(model: bytes) -> Any:
    """The model to read fields of; raises `ArtifactError` for what is none."""
    if model[4:8] != b"TFL3":
        raise ArtifactError("The file is not a TFLite model.")
    return schema().Model.GetRootAs(model, 0)


def unpacked(model: bytes) -> Any:
    """The model as objects, with constants that lie behind it taken in."""
    whole = schema().ModelT.InitFromObj(root(model))
    for buffer in whole.buffers:
        if buffer.offset > 1:
            inside = model[buffer.offset : buffer.offset + buffer.size]
            buffer.data = np.frombuffer(inside, np.uint8)
            buffer.offset = buffer.size = 0
    return whole


def packed(whole: Any, size: int) -> bytes:
    """The file of a model of about `size` bytes."""
    builder = _Builder(size)
    builder.Finish(whole.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def mended(model: bytes) -> bytes:
    """The file of the AI Edge Quantizer, corrected; the same bytes where nothing is wrong.

    It appends more than 256 KiB of constants behind the model, where they are lost when the
    file is packed again. And it records that the scales of a bias of shape (1, 1, 1, n) are
    along the first dimension, for which LiteRT refuses the file. And it
    moves an output's name to the quantized tensor before it, and its signature too where an
    operator reads the output.
    """
    whole, known = unpacked(model), root(model)
    numbers = range(known.BuffersLength())
    outside = any(known.Buffers(n).Offset() > 1 for n in numbers)
    wrong = [
        each for graph in whole.subgraphs for each in graph.tensors if _wrong(each)
    ]
    for tensor in wrong:
        sizes = np.asarray(tensor.shape)
        [axis] = np.flatnonzero(sizes == len(tensor.quantization.scale))
        tensor.quantization.quantizedDimension = int(axis)
    named = [
        _repoint(graph, end) | _rename(graph.tensors, end)
        for graph, end in _ends(whole)
    ]
    return packed(whole, len(model)) if outside or wrong or any(named) else model


def _ends(whole: Any) -> Iterator[tuple[Any, Any]]:
    """Each output of a signature, with its graph."""
    for signature in whole.signatureDefs or ():
        for end in signature.outputs:
            yield whole.subgraphs[signature.subgraphIndex], end


def _repoint(graph: Any, end: Any) -> bool:
    """Let an end of the signature be the graph's output again, behind the last operator."""
    outputs = {int(number) for number in graph.outputs}
    if end.tensorIndex in outputs:
        return False
    behind = {
        int(operator.outputs[0])
        for operator in graph.operators
        if end.tensorIndex in operator.inputs and int(operator.outputs[0]) in outputs
    }
    if len(behind) != 1:
        return False
    [end.tensorIndex] = behind
    return True


def _rename(tensors: Any, end: Any) -> bool:
    """Give an output its name in the signature; the quantized tensor that had it gets a suffix."""
    output = tensors[end.tensorIndex]
    if output.name == end.name:
        return False
    for tensor in tensors:
        if tensor.name == end.name:
            tensor.name = end.name + b"_quantized"
    output.name = end.name
    return True


def _wrong(tensor: Any) -> bool:
    """Return whether a tensor's scales are along another dimension than recorded, and it is
    plain."""
    given = tensor.quantization
    if given is None or given.scale is None or len(given.scale) < 2:
        return False
    sizes = [int(size) for size in tensor.shape]
    count = len(given.scale)
    return sizes[given.quantizedDimension] != count and sizes.count(count) == 1
