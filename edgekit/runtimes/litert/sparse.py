"""Zeros in a `.tflite` kept as what they are: only the other weights are stored.

The file shrinks with its density on every runtime. XNNPACK also computes sparsely from it, on Arm
and where the processor has no AVX: 1x1 convolutions of a network that is nothing but them,
depthwise ones, and what lies around. Elsewhere it unpacks the weights when it loads them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import ArtifactError

AT_LEAST = 2 / 3
"""Zeros among a tensor's weights from which sparse storage is smaller and sparse kernels pay."""

Weights = npt.NDArray[Any]


def encode(content: bytes, at_least: float = AT_LEAST) -> tuple[bytes, int]:
    """`content` with the constant filters that are mostly zeros stored sparsely, and how many.

    Covers 1x1 convolutions in float32 and int8 and fully connected layers in float32 (XNNPACK
    refuses them unpacked in int8). Each becomes a sparse tensor that a DENSIFY operator, first in
    the graph, unpacks.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(bytearray(content), 0)
    if len(model.subgraphs) != 1:
        raise ArtifactError(
            f"A .tflite with {len(model.subgraphs)} graphs cannot be stored sparsely; "
            "only one with a single graph can."
        )
    [graph] = model.subgraphs
    filters = _filters(model, graph, schema)
    operators = []
    for number, users in filters.items():
        tensor = graph.tensors[number]
        weights = _values(model.buffers[tensor.buffer].data, tensor, schema)
        if np.mean(weights == 0) < at_least:
            continue
        dense = _add_sparse(model, graph, number, weights, schema)
        for operator in users:
            operator.inputs = [dense if i == number else i for i in operator.inputs]
        operators.append(_densify(number, dense, schema))
    if not operators:
        return content, 0
    code = _operator_code(model, schema)
    for operator in operators:
        operator.opcodeIndex = code
    graph.operators = [*operators, *graph.operators]
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output()), len(operators)


def _filters(model: Any, graph: Any, schema: Any) -> dict[int, list[Any]]:
    """Constant filters that can be sparse: tensor number -> the operators that use it."""
    kinds = schema.BuiltinOperator
    types = {
        kinds.CONV_2D: (schema.TensorType.FLOAT32, schema.TensorType.INT8),
        kinds.FULLY_CONNECTED: (schema.TensorType.FLOAT32,),
    }
    found: dict[int, list[Any]] = {}
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        kind = max(code.builtinCode, code.deprecatedBuiltinCode)
        if kind not in types:
            continue
        tensor = graph.tensors[operator.inputs[1]]
        constant = model.buffers[tensor.buffer].data is not None
        flat = kind == kinds.FULLY_CONNECTED or list(tensor.shape[1:3]) == [1, 1]
        if constant and flat and tensor.type in types[kind]:
            found.setdefault(int(operator.inputs[1]), []).append(operator)
    return found


def _values(data: Any, tensor: Any, schema: Any) -> Weights:
    kind = np.float32 if tensor.type == schema.TensorType.FLOAT32 else np.int8
    return np.frombuffer(bytes(data), kind).reshape(tensor.shape[0], -1)


def _add_sparse(
    model: Any, graph: Any, number: int, weights: Weights, schema: Any
) -> int:
    """Make a tensor sparse, and add the dense one that stands for it; returns its number."""
    tensor = graph.tensors[number]
    shared = sum(other.buffer == tensor.buffer for other in graph.tensors) > 1
    buffer = schema.BufferT() if shared else model.buffers[tensor.buffer]
    buffer.data = np.frombuffer(weights[weights != 0].tobytes(), np.uint8)
    if shared:
        tensor.buffer = len(model.buffers)
        model.buffers.append(buffer)
    dense = schema.TensorT()
    dense.name = tensor.name
    dense.type, dense.shape = tensor.type, tensor.shape
    dense.quantization, dense.buffer = tensor.quantization, 0
    graph.tensors.append(dense)
    tensor.name = bytes(tensor.name) + b"/sparse"
    tensor.sparsity = _layout(weights, list(tensor.shape), schema)
    return len(graph.tensors) - 1


def _layout(weights: Weights, shape: list[int], schema: Any) -> Any:
    """Compressed rows: dense in every dimension but the last."""
    metadata = []
    for size in shape[:-1]:
        dimension = schema.DimensionMetadataT()
        dimension.format, dimension.denseSize = schema.DimensionType.DENSE, int(size)
        metadata.append(dimension)
    last = schema.DimensionMetadataT()
    last.format = schema.DimensionType.SPARSE_CSR
    counts = np.count_nonzero(weights, axis=1)
    last.arraySegmentsType, last.arraySegments = _numbers(
        np.concatenate([[0], np.cumsum(counts)]), schema
    )
    last.arrayIndicesType, last.arrayIndices = _numbers(np.nonzero(weights)[1], schema)
    sparsity = schema.SparsityParametersT()
    sparsity.traversalOrder = list(range(len(shape)))
    sparsity.dimMetadata = [*metadata, last]
    return sparsity


def _numbers(values: npt.NDArray[Any], schema: Any) -> tuple[int, Any]:
    """Indices in the narrowest type that holds them."""
    largest = int(values.max(initial=0))
    vectors = schema.SparseIndexVector
    kind, vector, dtype = (
        (vectors.Uint8Vector, schema.Uint8VectorT(), np.uint8)
        if largest < 1 << 8
        else (vectors.Uint16Vector, schema.Uint16VectorT(), np.uint16)
        if largest < 1 << 16
        else (vectors.Int32Vector, schema.Int32VectorT(), np.int32)
    )
    vector.values = values.astype(dtype)
    return kind, vector


def _densify(sparse: int, dense: int, schema: Any) -> Any:
    operator = schema.OperatorT()
    operator.inputs, operator.outputs = [sparse], [dense]
    operator.builtinOptionsType = schema.BuiltinOptions.DensifyOptions
    operator.builtinOptions = schema.DensifyOptionsT()
    return operator


def _operator_code(model: Any, schema: Any) -> int:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DENSIFY
    code.version = 1
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1
