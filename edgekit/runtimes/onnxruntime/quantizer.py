"""ONNX files in less than fp32, by ONNX Runtime's own quantizer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.runtimes.float_ends import Operator, in_float
from edgekit.runtimes.protocol import BaseQuantizer, Sample
from edgekit.types import Precision, QuantConfig

_WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_HISTOGRAM_VALUES = 1 << 26
"""Activations that histograms are made of, all in memory at once: a few samples of images of
high resolution have enough."""
_HISTOGRAM_SAMPLES = 8
"""The fewest samples for histograms."""
_SMALLEST = 64
"""Weights of fewer values stay in fp32: nothing is saved by halving them."""


class Quantizer(BaseQuantizer):
    """One network's quantized files; calibration is run once for each way to take ranges."""

    def layers(self) -> tuple[str, ...]:
        """Names of the nodes with weights, in the order of the graph."""
        import onnx

        graph = onnx.load(str(self._prepared)).graph
        constants = {tensor.name for tensor in graph.initializer}
        return tuple(
            node.name
            for node in graph.node
            if node.op_type in _WEIGHTED and node.name and constants & {*node.input[1:]}
        )

    def quantize(
        self, precision: Precision, quant_config: QuantConfig, path: Path
    ) -> None:
        """Write the network in `precision` to `path`."""
        if precision == "fp16":
            halve(self._fp32, path)
        elif precision == "int8-dynamic":
            self._dynamic(quant_config, path)
        else:
            self._static(quant_config, path)

    @cached_property
    def _prepared(self) -> Path:
        from onnxruntime.quantization.shape_inference import quant_pre_process

        path = self._place / "prepared.onnx"
        # Shapes are static, so ONNX's own inference finds them all; the symbolic one is slow.
        quant_pre_process(str(self._fp32), str(path), skip_symbolic_shape=True)
        _name_nodes(path)
        return path

    @property
    def network(self) -> Path:
        """The fp32 file that layers and operators are named in."""
        return self._prepared

    def _static(self, quant_config: QuantConfig, path: Path) -> None:
        from onnxruntime import quantization

        methods = quantization.CalibrationMethod
        signed = quantization.QuantType.QInt8
        unsigned = quantization.QuantType.QUInt8
        quantization.quantize_static(
            str(self._prepared),
            str(path),
            reader(self._calibration(quant_config)),
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=signed
            if quant_config.activations == "signed"
            else unsigned,
            weight_type=signed,
            calibrate_method={
                "min-max": methods.MinMax,
                "percentile": methods.Percentile,
                "entropy": methods.Entropy,
            }[quant_config.ranges],
            per_channel=quant_config.per_channel,
            reduce_range=quant_config.narrow_weights,
            nodes_to_exclude=self._in_float(quant_config),
            op_types_to_quantize=list(_WEIGHTED)
            if quant_config.operators == "weighted"
            else None,
            calibration_cache_path=self._place
            / f"{quant_config.ranges}-{quant_config.operators}.json",
        )

    def _calibration(self, quant_config: QuantConfig) -> Sequence[Sample]:
        if quant_config.ranges == "min-max":
            return self._samples
        count = _HISTOGRAM_VALUES // max(1, _activations(self._prepared))
        return self._samples[: max(_HISTOGRAM_SAMPLES, count)]

    def _in_float(self, quant_config: QuantConfig) -> list[str]:
        return [
            *quant_config.float_layers,
            *quant_config.float_operators,
            *in_float(self._operators(), quant_config),
        ]

    def _operators(self) -> Iterator[Operator]:
        import onnx

        for node in onnx.load(str(self._prepared)).graph.node:
            yield Operator(
                name=node.name,
                kind=node.op_type,
                weighted=node.op_type in _WEIGHTED,
                takes=tuple(node.input),
                gives=tuple(node.output),
            )

    def _dynamic(self, quant_config: QuantConfig, path: Path) -> None:
        """Convolutions stay in float: ONNX Runtime has no fast kernel for dynamic ones."""
        from onnxruntime import quantization
        from onnxruntime.quantization.registry import IntegerOpsRegistry

        quantization.quantize_dynamic(
            str(_without_shapes_of_constants(self._prepared)),
            str(path),
            op_types_to_quantize=sorted(IntegerOpsRegistry.keys() - {"Conv"}),
            per_channel=quant_config.per_channel,
            reduce_range=quant_config.narrow_weights,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=list(quant_config.float_layers),
        )


def _name_nodes(path: Path) -> None:
    """Name the nodes that have no name, or that of another, by what they write: operators are
    kept in float by their names."""
    import onnx

    model = onnx.load(str(path))
    taken: set[str] = set()
    for node in model.graph.node:
        if not node.name or node.name in taken:
            node.name = f"{node.output[0]}_node"
        taken.add(node.name)
    onnx.save_model(model, str(path))


def _activations(path: Path) -> int:
    """Values of all activations of a file whose shapes are fixed."""
    import onnx

    noted = onnx.load(str(path)).graph.value_info
    return sum(
        math.prod(dim.dim_value for dim in each.type.tensor_type.shape.dim)
        for each in noted
    )


def _without_shapes_of_constants(path: Path) -> Path:
    """A copy without what was noted of constants' shapes: the quantizer turns matrices round
    and then refuses the file over the shapes they had."""
    import onnx

    model = onnx.load(str(path))
    constants = {tensor.name for tensor in model.graph.initializer}
    noted = [each for each in model.graph.value_info if each.name not in constants]
    del model.graph.value_info[:]
    model.graph.value_info.extend(noted)
    copy = path.with_name("unnoted.onnx")
    onnx.save_model(model, str(copy))
    return copy


def halve(fp32: Path, path: Path) -> None:
    """Store weights in fp16, to be widened as the file is loaded: arithmetic stays in fp32.

    ONNX Runtime's processors' kernels are for fp32; a network that is fp16 throughout would be
    converted back and forth at each operator.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(str(fp32))
    graph = model.graph
    widened = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        limit = np.finfo(np.float16).max
        if (
            tensor.data_type != TensorProto.FLOAT
            or values.size < _SMALLEST
            or np.abs(values).max() > limit
        ):
            continue
        name, half = tensor.name, f"{tensor.name}.fp16"
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), half))
        widened.append(
            helper.make_node(
                "Cast", [half], [name], name=f"{name}.widen", to=TensorProto.FLOAT
            )
        )
    nodes = [*widened, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save_model(model, str(path))


def reader(samples: Sequence[Sample]) -> Any:
    """A calibration reader over `samples`."""
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.samples: Iterator[Sample] = iter(samples)

        def get_next(self) -> dict[str, np.ndarray] | None:
            sample = next(self.samples, None)
            return None if sample is None else dict(sample)

    return Reader()
