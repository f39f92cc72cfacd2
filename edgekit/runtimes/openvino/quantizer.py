"""OpenVINO IR in less than fp32, by NNCF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekit.runtimes.float_ends import Operator, in_float
from edgekit.runtimes.protocol import BaseQuantizer
from edgekit.types import Precision, QuantConfig

WEIGHTED = ("Convolution", "GroupConvolution", "MatMul", "ConvolutionBackpropData")


class Quantizer(BaseQuantizer):
    """One network's quantized files."""

    def layers(self) -> tuple[str, ...]:
        """Names of the operators with constant weights, in the order of the graph."""
        return tuple(
            node.get_friendly_name()
            for node in self._model().get_ordered_ops()
            if node.get_type_name() in WEIGHTED and _constant(node)
        )

    def quantize(
        self, precision: Precision, quant_config: QuantConfig, path: Path
    ) -> None:
        """Write the network in `precision` to `path`."""
        import openvino

        model = self._model()
        if precision == "int8":
            model = self._static(model, quant_config)
        elif precision == "int8-weights":
            model = _weights(model, quant_config)
        openvino.save_model(model, str(path), compress_to_fp16=precision == "fp16")

    def _model(self) -> Any:
        import openvino

        return openvino.Core().read_model(str(self._fp32))

    def _static(self, model: Any, quant_config: QuantConfig) -> Any:
        """SmoothQuant is off: it left a small attention block at a cosine of 0.88, which is
        0.9997 without."""
        import nncf
        from nncf.quantization.advanced_parameters import (
            AdvancedQuantizationParameters,
            AdvancedSmoothQuantParameters,
        )
        from nncf.quantization.range_estimator import RangeEstimatorParametersSet

        known = RangeEstimatorParametersSet
        return nncf.quantize(
            model,
            nncf.Dataset(self._samples),
            subset_size=len(self._samples),
            model_type=nncf.ModelType.TRANSFORMER if _attends(model) else None,
            ignored_scope=_ignored(quant_config, model),
            advanced_parameters=AdvancedQuantizationParameters(
                activations_range_estimator_params={
                    "min-max": known.MINMAX,
                    "averaged": known.MEAN_MINMAX,
                    "percentile": known.MEAN_QUANTILE,
                }[quant_config.ranges],
                # By default the first layers' weights alone are spared the overflow.
                overflow_fix=nncf.OverflowFix.ENABLE
                if quant_config.narrow_weights
                else None,
                smooth_quant_alphas=AdvancedSmoothQuantParameters(
                    matmul=-1, convolution=-1
                ),
            ),
        )


def _weights(model: Any, quant_config: QuantConfig) -> Any:
    import nncf

    return nncf.compress_weights(
        model,
        mode=nncf.CompressWeightsMode.INT8_SYM,
        ignored_scope=_ignored(quant_config, model),
    )


def _ignored(quant_config: QuantConfig, model: Any) -> Any:
    import nncf

    placed = in_float(_operators(model), quant_config)
    # NNCF's graph leaves some operators out, which are in float already.
    unsure = (*quant_config.float_operators, *placed)
    names = [*dict.fromkeys((*quant_config.float_layers, *unsure))]
    return nncf.IgnoredScope(names=names, validate=not unsure) if names else None


def _operators(model: Any) -> list[Operator]:
    return [
        Operator(
            name=node.get_friendly_name(),
            kind=node.get_type_name(),
            weighted=node.get_type_name() in WEIGHTED,
            takes=tuple(_source(port) for port in node.inputs()),
            gives=(node.get_friendly_name(),),
        )
        for node in model.get_ordered_ops()
        if node.get_type_name() not in ("Constant", "Parameter", "Result")
    ]


def _source(port: Any) -> str:
    return str(port.get_source_output().get_node().get_friendly_name())


def _constant(node: Any) -> bool:
    """Return whether an input of the operator is a constant, or one that is only converted."""
    for port in node.inputs()[1:]:
        source = port.get_source_output().get_node()
        while source.get_type_name() in ("Convert", "Reshape"):
            source = source.input(0).get_source_output().get_node()
        if source.get_type_name() == "Constant":
            return True
    return False


def _attends(model: Any) -> bool:
    """Return whether a softmax weighs something, as in attention, rather than ending a
    classifier."""
    return any(
        target.get_node().get_type_name() == "MatMul"
        for node in model.get_ops()
        if node.get_type_name() == "Softmax"
        for target in node.output(0).get_target_inputs()
    )
