"""TFLite files in less than fp32, by the AI Edge Quantizer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edgekit.errors import ArtifactError
from edgekit.runtimes.float_ends import Operator, in_float
from edgekit.runtimes.litert.flatbuffer import mended
from edgekit.runtimes.protocol import BaseQuantizer, Sample
from edgekit.types import Precision, QuantConfig, TensorSpec

WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D_TRANSPOSE", "FULLY_CONNECTED")
"""Operators with weights: where int8 pays everywhere."""
_ALL = (("*",), WEIGHTED, WEIGHTED[:3], WEIGHTED[3:])
"""Operators of static int8, most first: the runtime refuses some files (EdgeNeXt's)."""
_NEVER_QUANTIZED = ("INPUT", "OUTPUT")
"""The artifact's own inputs and outputs stay in float32."""
_SCOPE = 10_000
"""Characters of an operator's scope that the library's recipes see."""


class Quantizer(BaseQuantizer):
    """One network's quantized files; calibration is run once for each way to take ranges."""

    def __init__(
        self,
        fp32: Path,
        inputs: Sequence[TensorSpec],
        samples: Sequence[Sample],
        place: Path,
    ) -> None:
        super().__init__(fp32, inputs, samples, place)
        self._ranges: dict[tuple[Any, ...], Any] = {}

    def first(self, precision: Precision) -> QuantConfig:
        """Operators with weights alone where there is attention, which static int8 of all
        operators was measured to slow down up to three times."""
        interpreter = plain_interpreter(self._fp32.read_bytes())
        kinds = {operator["op_name"] for operator in interpreter._get_ops_details()}
        if precision in ("int8", "int16x8") and "BATCH_MATMUL" in kinds:
            return QuantConfig(operators="weighted")
        return QuantConfig()

    def layers(self) -> tuple[str, ...]:
        """The outputs of the operators with weights, in the order of the graph."""
        interpreter = plain_interpreter(self._fp32.read_bytes())
        names = {
            each["index"]: each["name"] for each in interpreter.get_tensor_details()
        }
        return tuple(
            names[int(operator["outputs"][0])]
            for operator in interpreter._get_ops_details()
            if operator["op_name"] in WEIGHTED
        )

    def _operators(self) -> Iterator[Operator]:
        interpreter = plain_interpreter(self._fp32.read_bytes())
        names = {
            each["index"]: each["name"] for each in interpreter.get_tensor_details()
        }
        for operator in interpreter._get_ops_details():
            yield Operator(
                name=names[int(operator["outputs"][0])],
                kind=operator["op_name"],
                weighted=operator["op_name"] in (*WEIGHTED, "BATCH_MATMUL"),
                takes=tuple(map(int, operator["inputs"])),
                gives=tuple(map(int, operator["outputs"])),
            )

    def quantize(
        self, precision: Precision, quant_config: QuantConfig, path: Path
    ) -> None:
        """Write the network in `precision` to `path`."""
        if precision == "fp16":
            content = halve(self._fp32)
        elif precision in ("int8", "int16x8"):
            content = self._static(8 if precision == "int8" else 16, quant_config)
        else:
            content = self._weights(precision == "int8-dynamic", quant_config)
        path.write_bytes(content)

    def _static(self, bits: int, quant_config: QuantConfig) -> bytes:
        """Static int8 of all operators, or of fewer where the runtime refuses the file."""
        problem = None
        for operators in _ALL[quant_config.operators == "weighted" :]:
            recipe = _recipe(operators, bits)
            ranges = self._calibrated((quant_config.ranges, bits, operators), recipe)
            content = self._written(recipe, quant_config, ranges)
            problem = _unrunnable(content, self._samples[0])
            if problem is None:
                return content
        raise ArtifactError(
            f"LiteRT refuses what static int8 makes of this network ({problem}); "
            "choose fp32."
        )

    def _calibrated(self, key: tuple[Any, ...], recipe: Any) -> Any:
        """Each activation's range, by its name."""
        from ai_edge_quantizer import calibrator
        from ai_edge_quantizer.utils import qsv_utils

        if key not in self._ranges:
            take = {
                "min-max": qsv_utils.min_max_update,
                "averaged": qsv_utils.moving_average_update,
            }[key[0]]
            run = calibrator.Calibrator(
                self._fp32.read_bytes(), num_threads=1, qsv_update_func=take
            )
            interpreter = plain_interpreter(self._fp32.read_bytes())
            [signature] = interpreter.get_signature_list()
            run.calibrate({signature: self._samples}, recipe)
            self._ranges[key] = run.get_model_qsvs()
        return self._ranges[key]

    def _weights(self, dynamic: bool, quant_config: QuantConfig) -> bytes:
        from ai_edge_quantizer import qtyping, recipe_manager

        recipe = recipe_manager.RecipeManager()
        add = recipe.add_dynamic_config if dynamic else recipe.add_weight_only_config
        kinds = WEIGHTED if quant_config.operators == "weighted" else ("*",)
        for kind in kinds:
            add(".*", qtyping.TFLOperationName(kind), num_bits=8)
        content = self._written(recipe, quant_config, None)
        problem = _unrunnable(content, self._samples[0]) if self._samples else None
        if problem:
            raise ArtifactError(f"LiteRT refuses the file ({problem}); choose fp32.")
        return content

    def _written(self, recipe: Any, quant_config: QuantConfig, ranges: Any) -> bytes:
        from ai_edge_quantizer import algorithm_manager, qtyping, quantizer

        kept = (
            *quant_config.float_layers,
            *quant_config.float_operators,
            *in_float(self._operators(), quant_config),
        )
        for layer in kept:
            recipe.add_quantization_config(
                f"^{re.escape(layer[:_SCOPE])}(;|$)",
                qtyping.TFLOperationName.ALL_SUPPORTED,
                algorithm_key=algorithm_manager.AlgorithmName.NO_QUANTIZE,
            )
        quantizer = quantizer.Quantizer(
            str(self._fp32), recipe.get_quantization_recipe()
        )
        return _content(quantizer.quantize(ranges))


def _recipe(operators: tuple[str, ...], bits: int) -> Any:
    from ai_edge_quantizer import algorithm_manager, qtyping, recipe_manager

    recipe = recipe_manager.RecipeManager()
    for operator in operators:
        recipe.add_static_config(
            ".*",
            qtyping.TFLOperationName(operator),
            activation_num_bits=bits,
            weight_num_bits=8,
        )
    for operator in _NEVER_QUANTIZED:
        recipe.add_quantization_config(
            ".*",
            qtyping.TFLOperationName(operator),
            algorithm_key=algorithm_manager.AlgorithmName.NO_QUANTIZE,
        )
    return recipe


def halve(fp32: Path) -> bytes:
    """The network with the weights of its heavy operators in fp16, widened as it is loaded."""
    from ai_edge_quantizer import algorithm_manager, qtyping, quantizer

    config = qtyping.OpQuantizationConfig(
        weight_tensor_config=qtyping.TensorQuantizationConfig(
            num_bits=16, dtype=qtyping.TensorDataType.FLOAT
        ),
        compute_precision=qtyping.ComputePrecision.FLOAT,
        explicit_dequantize=True,
    )
    recipe = quantizer.Quantizer(str(fp32))
    for operator in WEIGHTED:
        recipe.update_quantization_recipe(
            ".*",
            qtyping.TFLOperationName(operator),
            config,
            algorithm_manager.AlgorithmName.FLOAT_CASTING,
        )
    return _content(recipe.quantize())


def plain_interpreter(content: bytes) -> Any:
    """An interpreter whose operators are the file's own: no delegate has taken any."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    return Interpreter(model_content=content, experimental_op_resolver_type=resolver)


def _content(result: Any) -> bytes:
    if result.quantized_model is None:
        raise ArtifactError("The AI Edge Quantizer wrote nothing for this network.")
    return mended(bytes(result.quantized_model))


def _unrunnable(content: bytes, sample: Sample) -> str | None:
    """Why LiteRT, with the kernels it takes by default, cannot load and run the file."""
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(model_content=content)
        interpreter.allocate_tensors()
        details = interpreter.get_input_details()
        for detail, values in zip(details, sample.values(), strict=True):
            interpreter.set_tensor(detail["index"], values)
        interpreter.invoke()
    except (RuntimeError, ValueError) as error:
        return str(error).strip().splitlines()[0]
    return None
