"""Tensors of the Open Inference Protocol, version 2, as JSON: in, checked, and out.

https://github.com/open-inference/open-inference-protocol
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..arrays import dequantize, quantize
from ..errors import INPUTS_INVALID, RUNTIME_MISSING, AgentError
from ..session import TensorInfo
from .decode import Array
from .detect import detected
from .encode import Text, texts_of
from .model import ServedModel, finite
from .places import TEXT_BYTES

MAX_BATCH = 64
DATATYPES = {
    "float32": "FP32",
    "float64": "FP64",
    "float16": "FP16",
    "int8": "INT8",
    "uint8": "UINT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "bool": "BOOL",
}
VERSION = "1"
_TEXTS = ("text", "text_pair")


class Refused(Exception):
    """A request that is answered with a status of the 4xx kind and one line."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def metadata(served: ServedModel, name: str) -> dict[str, Any]:
    """Inputs and outputs of the model; the batch dimension is free up to `MAX_BATCH`."""
    description = served.description
    return {
        "name": name,
        "versions": [VERSION],
        "platform": f"{description['runtime']}_{served.runtime_version}",
        "inputs": [_tensor(info) for info in served.inputs],
        "outputs": [_tensor(info) for info in served.outputs],
        "parameters": {
            "model": served.model,
            "max_batch": MAX_BATCH,
            "preprocessing": description["preprocessing"],
            "preprocessing_by_input": description.get("preprocessing_by_input", {}),
            "layout": served.layout,
            "layouts": {i.name: own for i, own in zip(served.inputs, served.layouts)},
            "labels": description["labels"],
            "text": served.text,
        },
    }


def answer(
    served: ServedModel, name: str, body: bytes, text_bytes: int = TEXT_BYTES
) -> dict[str, Any]:
    """The response to an inference request; raises `Refused` for what cannot be understood.

    A model that takes texts takes `{"text": "..."}` too (see `encode.texts_of`), and a tensor
    `text` of the datatype BYTES, each text of at most `text_bytes`; inputs that tokens do not
    fill are tensors in `inputs` beside either. Boxes that a decoder finds are in
    `parameters.boxes`, a list for each sample, in pixels of the input.
    """
    request = _parsed(body)
    requested = _requested_outputs(served, request.get("outputs"))
    texts = _texts(served, request, text_bytes)
    batches, real = (
        _batches(served, request)
        if texts is None
        else _tokens(served, texts, request.get("inputs") or [])
    )
    rows = [
        served.run([batch[number].reshape(info.shape) for info, batch in pairs])
        for pairs in [list(zip(served.inputs, batches))]
        for number in range(len(batches[0]))
    ]
    response: dict[str, Any] = {"model_name": name, "model_version": VERSION}
    if "id" in request:
        response["id"] = request["id"]
    response["outputs"] = [
        _written(served.outputs[place], [row[place] for row in rows], real)
        for place in requested
    ]
    if served.finds_boxes:
        boxes = [detected(served, served.real(row)) for row in rows]
        response["parameters"] = {"boxes": boxes}
    return response


def _batches(
    served: ServedModel, request: Mapping[str, Any]
) -> tuple[list[Array], bool]:
    """(n, *shape) of each input, and whether all came as reals."""
    given = _named(request.get("inputs"), "inputs")
    batches, whole = [], []
    for info in served.inputs:
        if info.name not in given:
            known = ", ".join(one.name for one in served.inputs)
            raise Refused(400, f"input '{info.name}' is missing; the inputs: {known}")
        batch, real = _read(given.pop(info.name), info)
        batches.append(batch)
        whole.append(real)
    if given:
        raise Refused(400, f"the model has no input '{next(iter(given))}'")
    if len({len(batch) for batch in batches}) != 1:
        raise Refused(400, "the inputs differ in their batch dimension")
    return batches, all(whole)


def _texts(
    served: ServedModel, request: Mapping[str, Any], most: int
) -> list[Text] | None:
    """The texts of a request; `None` where it has none."""
    given: Any = request if "text" in request else _of_tensors(request.get("inputs"))
    if given is None:
        return None
    if not served.text:
        raise Refused(400, "the model takes no texts")
    try:
        found = texts_of({k: given.get(k) for k in _TEXTS}, "the request", most)
    except AgentError as error:
        raise Refused(400, error.message) from error
    if len(found) > MAX_BATCH:
        raise Refused(400, f"{len(found)} texts are over the limit of {MAX_BATCH}")
    return found


def _of_tensors(tensors: Any) -> dict[str, Any] | None:
    """The data of tensors of texts by name; `None` for tensors of numbers."""
    if not isinstance(tensors, list):
        return None
    texts = [each for each in tensors if _of_bytes(each)]
    return {each["name"]: _data(each["name"], each) for each in texts} or None


def _of_bytes(tensor: Any) -> bool:
    return (
        isinstance(tensor, dict)
        and tensor.get("datatype") == "BYTES"
        and tensor.get("name") in _TEXTS
    )


def _data(name: str, tensor: Mapping[str, Any]) -> list[Any]:
    data, shape = tensor.get("data"), tensor.get("shape")
    if not isinstance(data, list) or shape not in ([len(data)], [len(data), 1]):
        raise Refused(400, f"'{name}' needs a list of texts and the shape ['n']")
    return [
        each[0] if isinstance(each, list) and len(each) == 1 else each for each in data
    ]


def _tokens(
    served: ServedModel, texts: Sequence[Text], tensors: Any
) -> tuple[list[Array], bool]:
    """(n, *shape) of each input, from texts and the tensors beside them, and whether all of
    these came as reals."""
    if not isinstance(tensors, list):
        raise Refused(400, "'inputs' must be a list of tensors")
    others = [each for each in tensors if not _of_bytes(each)]
    named = _named(others, "inputs") if others else {}
    known = {info.name: info for info in served.beside}
    strange = next((name for name in named if name not in known), None)
    if strange is not None:
        raise Refused(400, f"the model takes no '{strange[:80]}' beside a text")
    read = {name: _read(tensor, known[name]) for name, tensor in named.items()}
    beside = {name: values for name, (values, _) in read.items()}
    try:
        parts = served.tokens(texts, "the request", beside)
    except AgentError as error:
        status = {INPUTS_INVALID: 400, RUNTIME_MISSING: 501}.get(error.kind)
        if status is None:
            raise
        raise Refused(status, error.message) from error
    batches = [
        part if info.name in beside else quantize(part, info)
        for part, info in zip(parts, served.inputs)
    ]
    return batches, all(real for _, real in read.values())


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        request = json.loads(body, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"the body is not JSON ({str(error)[:120]})") from error
    if not isinstance(request, dict):
        raise Refused(400, "the body must be a JSON object")
    if not isinstance(request.get("id", ""), str):
        raise Refused(400, "'id' must be a string")
    return request


def _constant(text: str) -> float:
    raise ValueError(f"{text} is not a JSON number")


def _named(tensors: Any, what: str) -> dict[str, dict[str, Any]]:
    if not isinstance(tensors, list) or not tensors:
        raise Refused(400, f"'{what}' must be a list of tensors, at least one")
    named: dict[str, dict[str, Any]] = {}
    for tensor in tensors:
        if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
            raise Refused(400, f"each of '{what}' must be an object with a 'name'")
        if tensor["name"] in named:
            raise Refused(400, f"'{tensor['name'][:80]}' is given twice in '{what}'")
        named[tensor["name"]] = tensor
    return named


def _read(tensor: Mapping[str, Any], info: TensorInfo) -> tuple[Array, bool]:
    """(n, *shape without the batch) as the model stores it, and whether it came as reals."""
    shape = tensor.get("shape")
    rest = list(info.shape[1:])
    if (
        not isinstance(shape, list)
        or not all(type(size) is int and size > 0 for size in shape)
        or shape[1:] != rest
    ):
        raise Refused(400, f"'{info.name}' needs the shape {['n', *rest]}")
    if shape[0] > MAX_BATCH:
        raise Refused(400, f"a batch of {shape[0]} is over the limit of {MAX_BATCH}")
    own = DATATYPES.get(info.dtype, info.dtype)
    real = info.quantization is not None and tensor.get("datatype") == "FP32"
    if tensor.get("datatype") != own and not real:
        also = " (or FP32)" if info.quantization else ""
        raise Refused(400, f"'{info.name}' has the datatype {own}{also}")
    values = _numbers(tensor.get("data"), info.name, of_bools=own == "BOOL")
    if values.size != math.prod(shape):
        raise Refused(
            400,
            f"'{info.name}' holds {values.size} numbers; its shape needs "
            f"{math.prod(shape)}",
        )
    if values.ndim != 1 and list(values.shape) != shape:
        raise Refused(
            400,
            f"'data' of '{info.name}' is nested as {list(values.shape)}, not {shape}",
        )
    values = values.reshape(shape)
    if real:
        _floats(values, np.dtype(np.float32), info.name)
        return quantize(values, info), True
    return _cast(values, info), info.quantization is None


def _numbers(data: Any, name: str, of_bools: bool) -> Array:
    """(any shape) as numpy reads it; text, nothing and, unless `of_bools`, bools are refused."""
    try:
        values = np.asarray(data)
    except (ValueError, OverflowError) as error:
        raise Refused(400, f"'data' of '{name}' is not a regular array") from error
    kinds = "b" if of_bools else "fiu"
    if not isinstance(data, list) or values.dtype.kind not in kinds:
        what = "true or false" if of_bools else "numbers"
        raise Refused(400, f"'data' of '{name}' must be a list of {what}")
    if not of_bools and _has_bool(data):  # numpy takes them for 0 and 1 beside numbers
        raise Refused(
            400, f"'data' of '{name}' must be a list of numbers, not of bools"
        )
    return values


def _has_bool(data: Any) -> bool:
    if data and isinstance(data[0], list):
        return any(map(_has_bool, data))
    return bool in set(map(type, data))


def _floats(values: Array, kind: np.dtype[Any], name: str) -> Array:
    """The values in `kind`; raises `Refused` where one is too large for it."""
    with np.errstate(over="ignore"):
        cast = np.ascontiguousarray(values, dtype=kind)
    if not np.isfinite(cast).all():
        raise Refused(
            400, f"'data' of '{name}' holds a number that is not finite in {kind.name}"
        )
    return cast


def _cast(values: Array, info: TensorInfo) -> Array:
    kind = np.dtype(info.dtype)
    if kind.kind == "f":
        return _floats(values, kind, info.name)
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        if (
            values.dtype.kind == "f"
            or values.min() < limits.min
            or values.max() > limits.max
        ):
            raise Refused(
                400,
                f"'{info.name}' takes whole numbers from {limits.min} to {limits.max}",
            )
    return np.ascontiguousarray(values, dtype=kind)


def _requested_outputs(served: ServedModel, outputs: Any) -> list[int]:
    known = [info.name for info in served.outputs]
    if outputs is None:
        return list(range(len(known)))
    names = _named(outputs, "outputs")
    for name in names:
        if name not in known:
            raise Refused(
                400, f"the model has no output '{name[:80]}'; it has {', '.join(known)}"
            )
    return [known.index(name) for name in names]


def _written(info: TensorInfo, rows: Sequence[Array], real: bool) -> dict[str, Any]:
    values = np.stack([row.reshape(info.shape[1:]) for row in rows])
    kind = info.dtype
    if real and info.quantization is not None:
        values, kind = dequantize(values, info), "float32"
    return {
        "name": info.name,
        "shape": list(values.shape),
        "datatype": DATATYPES.get(kind, kind),
        "data": finite(values, info).ravel().tolist(),
    }


def _tensor(info: TensorInfo) -> dict[str, Any]:
    tensor: dict[str, Any] = {
        "name": info.name,
        "shape": [-1, *info.shape[1:]],
        "datatype": DATATYPES.get(info.dtype, info.dtype),
    }
    if info.quantization is not None:
        tensor["parameters"] = {
            "scale": info.quantization.scale,
            "zero_point": info.quantization.zero_point,
        }
    return tensor
