"""Runs a TFLite file on LiteRT: as a script, in a process of its own, by `check.py`.

    python litert_child.py FOLDER

The folder holds `model.tflite`, `job.json` and `inputs.npz` in the file's order; `outputs.npz` is
written beside it, and `told.json`. The outputs come first, by number, then what the last softmax,
sigmoid, tanh or argmax takes of those that the job marks as `ends` (left out where there is none),
then the tensors that it names as `more`. A damaged file can end this process; the reason is the
last line of standard error.

Of a file that computes with whole numbers, the job may ask for what those stand for: then every
tensor is made one of real numbers, and LiteRT computes with these.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

_TYPES = schema.TensorType
_WHOLE = {
    _TYPES.INT8: np.int8, _TYPES.UINT8: np.uint8, _TYPES.INT16: np.int16,
    _TYPES.INT32: np.int32, _TYPES.INT64: np.int64,
}  # fmt: skip
_SQUASHING = ("SOFTMAX", "LOGISTIC", "LOG_SOFTMAX", "TANH", "ARG_MAX")
_PASSING = ("QUANTIZE", "DEQUANTIZE")


def edited(
    content: bytes, ends: list[bool], more: list[int], real: bool
) -> tuple[bytes, list[int]]:
    """The model with more outputs, and the numbers that those it has stand for."""
    model = schema.ModelT.InitFromPackedBuf(bytearray(content), 0)
    for buffer in model.buffers:
        if buffer.offset > 1:
            inside = content[buffer.offset : buffer.offset + buffer.size]
            buffer.data = np.frombuffer(inside, np.uint8)
            buffer.offset = buffer.size = 0
    graph = model.subgraphs[0]
    if real:
        for tensor in graph.tensors:
            _make_real(model, tensor)
        _pass_by(model, graph)
    made = {int(o): op for op in graph.operators for o in op.outputs}
    outputs = [int(number) for number in graph.outputs]
    marked = [n for n, end in zip(outputs, ends, strict=True) if end]
    requested = [*outputs, *(_end(model, made.get(n)) for n in marked)]
    requested += [number if number in made else -1 for number in more]
    have = list(dict.fromkeys(number for number in requested if number >= 0))
    graph.outputs = have
    model.signatureDefs = []
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output()), [have.index(n) if n >= 0 else -1 for n in requested]


def _end(model: Any, op: Any) -> int:
    """The tensor that an operator squashes; -1 where it does something else."""
    if op is None or _kind(model, op) not in _SQUASHING:
        return -1
    if getattr(op.builtinOptions, "beta", 1.0) != 1.0:
        return -1
    return int(op.inputs[0])


def _make_real(model: Any, tensor: Any) -> None:
    given = tensor.quantization
    if given is None or given.scale is None or not len(given.scale):
        return
    if tensor.type not in _WHOLE:
        return
    data = model.buffers[tensor.buffer].data
    if data is not None and len(data):
        stored = np.asarray(data, np.uint8).view(_WHOLE[tensor.type])
        sizes = [] if tensor.shape is None else [int(n) for n in tensor.shape]
        stored = stored.reshape(sizes).astype(np.float64)
        scale = np.asarray(given.scale, np.float64)
        zero = np.zeros_like(scale)
        if given.zeroPoint is not None and len(given.zeroPoint):
            zero = np.broadcast_to(np.asarray(given.zeroPoint, np.float64), scale.shape)
        if len(scale) > 1:
            sizes = [1] * stored.ndim
            sizes[given.quantizedDimension] = -1
            scale, zero = scale.reshape(sizes), zero.reshape(sizes)
        numbers = ((stored - zero) * scale).astype(np.float32)
        tensor.buffer = len(model.buffers)
        made = schema.BufferT()
        made.data = np.frombuffer(numbers.tobytes(), np.uint8)
        model.buffers.append(made)
    tensor.type, tensor.quantization = _TYPES.FLOAT32, None


def _pass_by(model: Any, graph: Any) -> None:
    """Leave out the operators between whole and real numbers."""
    same: dict[int, int] = {}
    kept = []
    for op in graph.operators:
        op.inputs = [same.get(int(n), int(n)) for n in op.inputs]
        half = (
            graph.tensors[op.inputs[0]].type == _TYPES.FLOAT16
            if len(op.inputs)
            else False
        )
        if _kind(model, op) in _PASSING and not half:
            same[int(op.outputs[0])] = op.inputs[0]
        else:
            kept.append(op)
    graph.operators = kept
    graph.outputs = [same.get(int(n), int(n)) for n in graph.outputs]


def _kind(model: Any, op: Any) -> str:
    code = model.operatorCodes[op.opcodeIndex]
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    names = {n: name for name, n in vars(schema.BuiltinOperator).items()}
    return str(names[number])


def run(content: bytes, inputs: list[np.ndarray]) -> tuple[list[np.ndarray], bool]:
    """The outputs, and whether the file took the batch at once; else a sample at a time."""
    try:
        return _once(content, inputs), True
    except (RuntimeError, ValueError):
        if len(inputs[0]) == 1:
            raise
    each = [
        _once(content, [x[n : n + 1] for x in inputs]) for n in range(len(inputs[0]))
    ]
    return [np.concatenate(parts) for parts in zip(*each, strict=True)], False


def _once(content: bytes, inputs: list[np.ndarray]) -> list[np.ndarray]:
    interpreter = Interpreter(model_content=content, num_threads=1)
    for details, value in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.resize_tensor_input(details["index"], list(value.shape))
    interpreter.allocate_tensors()
    for details, value in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(details["index"], _stored(value, details))
    interpreter.invoke()
    found = []
    for details in interpreter.get_output_details():
        found.append(
            _reported(interpreter.get_tensor(details["index"]).copy(), details)
        )
    return found


def _stored(value: np.ndarray, details: Any) -> np.ndarray:
    kind = details["dtype"]
    scale, zero = details["quantization"]
    if not np.issubdtype(kind, np.integer) or not scale:
        return value.astype(kind)
    limits = np.iinfo(kind)
    stored = np.clip(np.round(value / scale) + zero, limits.min, limits.max)
    return np.asarray(stored, kind)


def _reported(value: np.ndarray, details: Any) -> np.ndarray:
    scale, zero = details["quantization"]
    if np.issubdtype(value.dtype, np.integer) and scale:
        return np.asarray((value.astype(np.float32) - zero) * scale, np.float32)
    return value


def main() -> None:
    """Do the job in the folder that the command line names."""
    folder = Path(sys.argv[1])
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    content = (folder / "model.tflite").read_bytes()
    content, places = edited(content, job["ends"], job["more"], job["real"])
    with np.load(folder / "inputs.npz") as arrays:
        inputs = [arrays[str(n)] for n in range(len(arrays.files))]
    outputs, at_once = run(content, inputs)
    found: Any = {str(n): outputs[p] for n, p in enumerate(places) if p >= 0}
    np.savez(folder / "outputs.npz", **found)
    (folder / "told.json").write_text(
        json.dumps({"at_once": at_once}), encoding="utf-8"
    )


if __name__ == "__main__":
    try:
        main()
    except Exception as fault:  # noqa: BLE001 (any error of the runtime is the file's fault)
        sys.exit(" ".join((str(fault) or type(fault).__name__).split())[:200])
