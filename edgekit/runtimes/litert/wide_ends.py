"""Ends of a graph as the network has them: in int64 though the graph computes in int32, and each
output a tensor of its own, which alone can have its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgekit.runtimes.litert import flatbuffer


def separate(whole: Any) -> None:
    """Give an output that is an input, or another output, a tensor of its own, in place."""
    graph, [signature] = whole.subgraphs[0], whole.signatureDefs
    graph.outputs = list(graph.outputs)
    known = {int(tensor) for tensor in graph.inputs}
    for number, inner in enumerate(map(int, graph.outputs)):
        if inner in known:
            outer = _outside(graph, inner, graph.tensors[inner].type)
            graph.outputs[number] = outer
            graph.operators.append(_cast(whole, inner, outer))
            end = next(end for end in signature.outputs if end.tensorIndex == inner)
            end.tensorIndex = outer
        known.add(inner)


def widen(whole: Any, inputs: Sequence[bool], outputs: Sequence[bool]) -> None:
    """Give a model's graph inputs and outputs in int64 where the flags are set, in place.

    The converter makes them int32; an operator casts them behind the inputs, before the outputs.
    """
    graph, [signature] = whole.subgraphs[0], whole.signatureDefs
    graph.inputs, graph.outputs = list(graph.inputs), list(graph.outputs)
    for number, wide in enumerate(inputs):
        inner = int(graph.inputs[number])
        if wide and _is_int32(graph, inner):
            graph.inputs[number] = outer = _outside(graph, inner, _int64())
            graph.operators.insert(0, _cast(whole, outer, inner))
            _repoint(signature.inputs, inner, outer)
    for number, wide in enumerate(outputs):
        inner = int(graph.outputs[number])
        if wide and _is_int32(graph, inner):
            graph.outputs[number] = outer = _outside(graph, inner, _int64())
            graph.operators.append(_cast(whole, inner, outer))
            _repoint(signature.outputs, inner, outer)


def _is_int32(graph: Any, tensor: int) -> bool:
    return bool(graph.tensors[tensor].type == flatbuffer.schema().TensorType.INT32)


def _int64() -> int:
    return int(flatbuffer.schema().TensorType.INT64)


def _outside(graph: Any, inner: int, kind: int) -> int:
    """A tensor of a type with the name and shape of `inner`, which gets another name."""
    known, tensor = graph.tensors[inner], flatbuffer.schema().TensorT()
    tensor.name, tensor.type, tensor.buffer = known.name, kind, 0
    tensor.shape, tensor.shapeSignature = known.shape, known.shapeSignature
    known.name = known.name + b"_inside"
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _cast(whole: Any, before: int, after: int) -> Any:
    schema, tensors = flatbuffer.schema(), whole.subgraphs[0].tensors
    step = schema.OperatorT()
    step.opcodeIndex = _code(whole, schema.BuiltinOperator.CAST)
    step.inputs, step.outputs = [before], [after]
    step.builtinOptionsType = schema.BuiltinOptions.CastOptions
    step.builtinOptions = schema.CastOptionsT()
    step.builtinOptions.inDataType = tensors[before].type
    step.builtinOptions.outDataType = tensors[after].type
    return step


def _code(whole: Any, operator: int) -> int:
    """Number of an operator's entry in the model, which is added where there is none."""
    for number, code in enumerate(whole.operatorCodes):
        if max(code.builtinCode, code.deprecatedBuiltinCode) == operator:
            return number
    code = flatbuffer.schema().OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = operator
    code.version = 1
    whole.operatorCodes.append(code)
    return len(whole.operatorCodes) - 1


def _repoint(ends: Sequence[Any], before: int, after: int) -> None:
    for end in ends:
        if end.tensorIndex == before:
            end.tensorIndex = after
