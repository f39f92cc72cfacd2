"""Tiny real models of each format, all of the same small computation where they can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgekit.program.program import Program
    from edgekit.types import Artifact
    from tests.runtime.export.digits import Digits

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, kw_only=True)
class TinyModel:
    """A file and what it computes."""

    runtime: str
    path: Path
    reference: Callable[[Array], Array]
    input_shape: tuple[int, ...]


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def write_onnx(path: Path, rows: int = 8) -> TinyModel:
    """`relu(x @ w)` from 4 to `rows` features."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weight = np.random.default_rng(0).standard_normal((4, rows)).astype(np.float32)
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size])
        for name, size in (("x", 4), ("y", rows))
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["z"]),
        helper.make_node("Relu", ["z"], ["y"]),
    ]
    initial = [numpy_helper.from_array(weight, "w")]
    graph = helper.make_graph(nodes, "tiny", ends[:1], ends[1:], initial)
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return TinyModel(
        runtime="onnxruntime",
        path=path,
        reference=lambda x: relu(x @ weight),
        input_shape=(4,),
    )


def write_openvino(path: Path) -> TinyModel:
    """The ONNX model, converted."""
    import openvino

    source = write_onnx(path.with_suffix(".onnx"))
    model = openvino.convert_model(source.path)
    openvino.save_model(model, path, compress_to_fp16=False)
    return TinyModel(
        runtime="openvino", path=path, reference=source.reference, input_shape=(4,)
    )


def write_tflite(path: Path) -> TinyModel:
    """A lone `RELU` on 4 floats."""
    from ai_edge_litert import schema_py_generated as schema

    tensors = [_tensor(name, schema.TensorType.FLOAT32) for name in ("x", "y")]
    _write_tflite(path, tensors, schema.BuiltinOperator.RELU)
    return TinyModel(runtime="litert", path=path, reference=relu, input_shape=(4,))


def write_requantizing_tflite(path: Path) -> TinyModel:
    """A lone `QUANTIZE` from int8 steps of 0.5 to int8 steps of 0.25: the same real numbers."""
    from ai_edge_litert import schema_py_generated as schema

    tensors = [
        _tensor("x", schema.TensorType.INT8, scale=0.5, zero_point=3),
        _tensor("y", schema.TensorType.INT8, scale=0.25, zero_point=-5),
    ]
    _write_tflite(path, tensors, schema.BuiltinOperator.QUANTIZE)
    return TinyModel(
        runtime="litert", path=path, reference=lambda x: x, input_shape=(4,)
    )


def _tensor(
    name: str, kind: int, *, scale: float | None = None, zero_point: int = 0
) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    tensor = schema.TensorT()
    tensor.name, tensor.type, tensor.shape, tensor.buffer = name, kind, [1, 4], 0
    if scale is not None:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = [scale]
        tensor.quantization.zeroPoint = [zero_point]
    return tensor


def _write_tflite(path: Path, tensors: list[Any], operator: int) -> None:
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = operator
    code.version = 1
    step = schema.OperatorT()
    step.opcodeIndex, step.inputs, step.outputs = 0, [0], [1]
    graph = schema.SubGraphT()
    graph.tensors, graph.operators = tensors, [step]
    graph.inputs, graph.outputs = [0], [1]
    model = schema.ModelT()
    model.version, model.description = 3, "tiny"
    model.operatorCodes, model.subgraphs = [code], [graph]
    model.buffers = [schema.BufferT()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))


WRITERS = {
    "litert": (write_tflite, "model.tflite"),
    "onnxruntime": (write_onnx, "model.onnx"),
    "openvino": (write_openvino, "model.xml"),
}


@pytest.fixture(params=sorted(WRITERS))
def model(request: pytest.FixtureRequest, tmp_path: Path) -> TinyModel:
    """A tiny model for each runtime that can be installed beside EdgeKit."""
    write, name = WRITERS[request.param]
    return write(tmp_path / name)


@pytest.fixture
def onnx_model(tmp_path: Path) -> TinyModel:
    return write_onnx(tmp_path / "model.onnx")


@pytest.fixture
def requantizing_model(tmp_path: Path) -> TinyModel:
    return write_requantizing_tflite(tmp_path / "requantize.tflite")


@pytest.fixture(scope="session")
def exported_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of its own network, and that network exported to `files/`. Read only."""
    from tests import shared
    from tests.runtime.diff.exported import write_project

    base = tmp_path_factory.getbasetemp()
    return shared.once(base, "exported-project", write_project)


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Digits:
    """A small network that has learned handwritten digits in color, and some it has not seen."""
    from tests.runtime.export.digits import learned

    return learned(tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="session")
def whole(
    digits: Digits, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Artifact]:
    """The same of bytes, ending in probabilities, for every runtime; LiteRT's of images with
    their channels last."""
    from tests.runtime.export.digits import export_folded

    return export_folded(digits, tmp_path_factory.mktemp("whole") / "made")


@pytest.fixture(scope="session")
def shuffled(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Program, list[Artifact]]:
    """A network with an operator that LiteRT 2.14 lacks, and its files for two runtimes."""
    from edgekit.export.workers import export_all
    from edgekit.program.program import trace
    from edgekit.types import InputSpec
    from tests.runtime.shuffled import Network

    program = trace(Network(), (InputSpec(shape=(3, 8, 8)),))
    expected = [("litert", "fp32"), ("onnxruntime", "fp32")]
    folder = tmp_path_factory.mktemp("exported")
    return program, export_all(program, expected, calibration=None, folder=folder)


@pytest.fixture
def planned_project(own_project: Path, tmp_path: Path) -> Path:
    """A project whose plans take two runtimes, and an operator that blocks."""
    from tests.runtime.pipeline.planned import write_project

    folder = tmp_path / "planned"
    write_project(own_project, folder)
    return folder
