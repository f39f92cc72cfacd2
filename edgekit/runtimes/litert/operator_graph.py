"""A TFLite model of a few operators, written through the schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgekit.runtimes.weights import INPUT_SCALE, Array, quantized

Shape = tuple[int, ...]


class OperatorGraph:
    """Tensors and their buffers, as they are added."""

    def __init__(self, schema: Any) -> None:
        self.schema = schema
        self._buffers = [schema.BufferT()]
        self._tensors: list[Any] = []
        self._codes: list[Any] = []
        self._operators: list[Any] = []

    def step(
        self,
        code: int,
        operands: Sequence[int],
        made: int,
        options: tuple[int, Any] = (0, None),
        *,
        version: int = 1,
    ) -> None:
        """Add an operator of the schema that reads `operands` and writes `made`."""
        entry, step = self.schema.OperatorCodeT(), self.schema.OperatorT()
        entry.builtinCode = entry.deprecatedBuiltinCode = code
        entry.version = version
        step.opcodeIndex = len(self._codes)
        step.inputs, step.outputs = [*operands], [made]
        step.builtinOptionsType, step.builtinOptions = options
        self._codes.append(entry)
        self._operators.append(step)

    def tensor(
        self, shape: Shape, data: Array | None = None, scale: Any = None, axis: int = 0
    ) -> int:
        """A tensor's number; quantized, with a scale each along `axis`, where there is one."""
        schema = self.schema
        tensor = schema.TensorT()
        tensor.shape = list(shape)
        tensor.name = f"t{len(self._tensors)}"
        tensor.buffer = 0
        tensor.type = schema.TensorType.FLOAT32
        if scale is not None:
            scales = np.atleast_1d(np.asarray(scale, np.float32))
            tensor.type = schema.TensorType.INT8
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = scales
            tensor.quantization.zeroPoint = np.zeros(len(scales), np.int64)
            tensor.quantization.quantizedDimension = axis
        if data is not None:
            if data.dtype == np.int32:
                tensor.type = schema.TensorType.INT32
            buffer = schema.BufferT()
            buffer.data = np.ascontiguousarray(data).view(np.uint8).ravel()
            tensor.buffer = len(self._buffers)
            self._buffers.append(buffer)
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def constants(
        self, pair: tuple[Array, Array], channel_axis: int, quantize: bool
    ) -> list[int]:
        """Weight and bias."""
        weight, bias = pair
        if not quantize:
            return [self.tensor(value.shape, value) for value in (weight, bias)]
        stored, scales = quantized(weight, channel_axis)
        return [
            self.tensor(weight.shape, stored, scales, channel_axis),
            self.tensor(bias.shape, bias.astype(np.int32), INPUT_SCALE * scales),
        ]

    def written(self, output: int) -> bytes:
        """The model's bytes: the first tensor goes in, and `output` comes out."""
        import flatbuffers

        builder = flatbuffers.Builder(1024)
        builder.Finish(self._model(output).Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _model(self, output: int) -> Any:
        graph = self.schema.SubGraphT()
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs = [0], [output]
        model = self.schema.ModelT()
        model.version = 3
        model.operatorCodes = self._codes
        model.buffers = self._buffers
        model.subgraphs = [graph]
        return model
