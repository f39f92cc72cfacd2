"""TFLite files, which LiteRT and tflite-runtime run; int8 by the AI Edge Quantizer."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import ArtifactError
from edgekit.export.exporter import Border, feeds, layout
from edgekit.source.program import Program
from edgekit.types import Precision, Quantisation, TensorSpec

TITLE = "LiteRT"
EXTRA = "litert"
LIBRARIES: Mapping[str, str] = {
    "litert_torch": "litert-torch",
    "ai_edge_litert": "ai-edge-litert",
    "ai_edge_quantizer": "ai-edge-quantizer",
}
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")
SUFFIXES: tuple[str, ...] = (".tflite",)

_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D_TRANSPOSE", "FULLY_CONNECTED")
"""Operators with weights: where int8 pays everywhere."""
_RECIPES = (("*",), _WEIGHTED, _WEIGHTED[:3], _WEIGHTED[3:])
"""What static int8 takes in, most first."""
_NEVER_QUANTISED = ("INPUT", "OUTPUT")
"""The artefact's own inputs and outputs stay in float32."""


def convert(program: Program, path: Path) -> None:
    """Write `program` in fp32 with batch 1; the layout of its inputs stays PyTorch's."""
    import litert_torch

    program = _without_repeats_of_one(program)
    litert_torch.convert(program.module, program.example()).export(str(path))


def _without_repeats_of_one(program: Program) -> Program:
    """The same with a concatenation for each `repeat_interleave` of a dimension of one.

    litert-converter 0.5.0 repeats a lone key-value head wrongly, and a cut can leave one.
    """
    import torch

    aten = torch.ops.aten
    result = program.copy()
    graph = result.module.graph
    for node in graph.find_nodes(
        op="call_function", target=aten.repeat_interleave.self_int
    ):
        source, count, *rest = node.args
        dim = rest[0] if rest else node.kwargs.get("dim")
        if isinstance(dim, int) and source.meta["val"].shape[dim] == 1:
            with graph.inserting_before(node):
                joined = graph.call_function(aten.cat.default, ([source] * count, dim))
            joined.meta.update(node.meta)
            node.replace_all_uses_with(joined)
            graph.erase_node(node)
    result.module.recompile()
    return result


def write(
    fp32: Path,
    precision: Precision,
    calibration: np.ndarray | None,
    labels: tuple[str, ...],
    path: Path,
) -> None:
    """Copy `fp32`, or write it with fp16 weights, or with int8 weights and activations.

    Labels are appended as `labels.txt` in a zip archive, where TFLite's own tools look for
    associated files; the runtimes ignore it.
    """
    if precision == "fp32":
        content = fp32.read_bytes()
    elif precision == "fp16":
        content = _halve(fp32)
    else:
        assert calibration is not None
        content = _quantise(fp32, calibration)
    path.write_bytes(content)
    if labels:
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(zipfile.ZipInfo("labels.txt"), "\n".join(labels) + "\n")


def border(path: Path) -> Border:
    """The inputs and outputs as LiteRT sees them, in the order of the network's own."""
    return _border(_interpreter(path.read_bytes()))


def _quantise(fp32: Path, calibration: np.ndarray) -> bytes:
    """Static int8 of all operators, or of fewer.

    Of those with weights alone where there is attention, which the full recipe was measured to
    slow down up to three times; of fewer where the runtime refuses the file (EdgeNeXt).
    """
    interpreter = _interpreter(fp32.read_bytes())
    inputs, _ = _border(interpreter)
    samples = feeds(calibration, inputs)
    signature, ends = next(iter(interpreter.get_signature_list().items()))
    data = {signature: [{ends["inputs"][0]: sample} for sample in samples]}
    operators = {operator["op_name"] for operator in interpreter._get_ops_details()}
    for recipe in _RECIPES["BATCH_MATMUL" in operators :]:
        content = _static(fp32, recipe, data)
        refusal = _refusal(content, samples[0])
        if refusal is None:
            return content
    raise ArtifactError(
        f"LiteRT refuses what static int8 makes of this network ({refusal}); choose fp32."
    )


def _static(fp32: Path, operators: tuple[str, ...], data: dict[str, Any]) -> bytes:
    """Quantise `operators` with ranges that hold every calibration sample.

    The library's own moving average clips what few samples reach: on the digits example its
    outputs were five times further from the network's.
    """
    from ai_edge_quantizer import (
        algorithm_manager,
        calibrator,
        qtyping,
        quantizer,
        recipe_manager,
    )
    from ai_edge_quantizer.utils import qsv_utils

    recipe = recipe_manager.RecipeManager()
    for operator in operators:
        recipe.add_static_config(
            ".*",
            qtyping.TFLOperationName(operator),
            activation_num_bits=8,
            weight_num_bits=8,
        )
    for operator in _NEVER_QUANTISED:
        recipe.add_quantization_config(
            ".*",
            qtyping.TFLOperationName(operator),
            algorithm_key=algorithm_manager.AlgorithmName.NO_QUANTIZE,
        )
    ranges = calibrator.Calibrator(
        fp32.read_bytes(), num_threads=1, qsv_update_func=qsv_utils.min_max_update
    )
    ranges.calibrate(data, recipe)
    quantiser = quantizer.Quantizer(str(fp32), recipe.get_quantization_recipe())
    return _content(quantiser.quantize(ranges.get_model_qsvs()))


def _halve(fp32: Path) -> bytes:
    from ai_edge_quantizer import algorithm_manager, qtyping, quantizer

    config = qtyping.OpQuantizationConfig(
        weight_tensor_config=qtyping.TensorQuantizationConfig(
            num_bits=16, dtype=qtyping.TensorDataType.FLOAT
        ),
        compute_precision=qtyping.ComputePrecision.FLOAT,
        explicit_dequantize=True,
    )
    recipe = quantizer.Quantizer(str(fp32))
    for operator in _WEIGHTED:
        recipe.update_quantization_recipe(
            ".*",
            qtyping.TFLOperationName(operator),
            config,
            algorithm_manager.AlgorithmName.FLOAT_CASTING,
        )
    return _content(recipe.quantize())


def _content(result: Any) -> bytes:
    if result.quantized_model is None:
        raise ArtifactError("The AI Edge Quantizer wrote nothing for this network.")
    return bytes(result.quantized_model)


def _refusal(content: bytes, sample: np.ndarray) -> str | None:
    """Why LiteRT, with the kernels it takes by default, cannot load and run the file."""
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(model_content=content)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sample)
        interpreter.invoke()
    except (RuntimeError, ValueError) as error:
        return str(error).strip().splitlines()[0]
    return None


def _interpreter(content: bytes) -> Any:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    return Interpreter(model_content=content, experimental_op_resolver_type=resolver)


def _border(interpreter: Any) -> Border:
    return (
        tuple(_spec(detail, image=True) for detail in interpreter.get_input_details()),
        tuple(
            _spec(detail, image=False) for detail in interpreter.get_output_details()
        ),
    )


def _spec(detail: dict[str, Any], *, image: bool) -> TensorSpec:
    shape = tuple(int(size) for size in detail["shape"])
    scale, zero_point = detail["quantization"]
    return TensorSpec(
        name=detail["name"],
        shape=shape,
        dtype=np.dtype(detail["dtype"]).name,
        layout=layout(shape) if image else None,
        quantisation=Quantisation(scale=float(scale), zero_point=int(zero_point))
        if scale
        else None,
    )
