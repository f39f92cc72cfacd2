"""ncnn by its Python bindings.

Timed: an extractor that is made, given the inputs and asked for every output. ncnn computes when
an output is asked for. Its matrices have no batch and no type; names, shapes and types of inputs
and outputs are in a line behind the layers of the `.param`, where EdgeKit's exporter writes them.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import INFERENCE_FAILED, MODEL_UNREADABLE, AgentError
from ..session import TensorInfo

PACKAGE = "ncnn"
DEFAULTS: Mapping[str, Any] = {"fp16": False}
"""`fp16`: compute in half precision where the processor does; else in fp32 everywhere."""
MARK = "# edgekit "
_WEIGHTS = ".bin"


def version() -> str:
    """The version of the installed package; raises `ImportError`."""
    import ncnn  # noqa: F401

    return importlib.metadata.version(PACKAGE)


def load(path: str, threads: int, options: Mapping[str, Any]) -> NcnnSession:
    """The model loaded for `threads` threads; raises `AgentError`."""
    import ncnn

    described = trailer(Path(path).read_text("utf-8", errors="replace"))
    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    net.opt.num_threads = threads
    for name in ("packed", "storage", "arithmetic"):
        setattr(net.opt, f"use_fp16_{name}", bool(options["fp16"]))
    files = (
        (net.load_param, path),
        (net.load_model, str(Path(path).with_suffix(_WEIGHTS))),
    )
    for reads, file in files:
        if reads(file) != 0:
            raise AgentError(MODEL_UNREADABLE, f"{file} is refused by ncnn.")
    try:
        return NcnnSession(net, described)
    except (KeyError, TypeError, ValueError) as error:
        raise AgentError(
            MODEL_UNREADABLE,
            f"{path} has no line '{MARK.strip()}' with the shapes of its inputs and outputs, "
            "which ncnn's own files lack. Files that EdgeKit writes have it.",
        ) from error


def trailer(text: str) -> dict[str, Any]:
    """Values behind the layers of a `.param`; none where there is no line of them."""
    last = text.rstrip("\n").rpartition("\n")[2]
    if not last.startswith(MARK):
        return {}
    try:
        found = json.loads(last[len(MARK) :])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def layers_of(text: str) -> str:
    """The text of a `.param` without that line."""
    before, _, last = text.rstrip("\n").rpartition("\n")
    return f"{before}\n" if last.startswith(MARK) else text


class NcnnSession:
    """A loaded network; its tensors are those of one inference, batch size 1."""

    def __init__(self, net: Any, described: Mapping[str, Any]) -> None:
        self._net = net
        self._given, self._made = described["inputs"], described["outputs"]
        self.inputs = [_info(one) for one in self._given]
        self.outputs = [_info(one) for one in self._made]
        self._inputs: list[Any] = []
        self._results: list[Any] = []

    def prepare(self, arrays: Sequence[np.ndarray[Any, Any]]) -> None:
        """Copy one array for each input into matrices of ncnn."""
        import ncnn

        self._inputs = []
        for array, one in zip(arrays, self._given):
            kind = np.float32 if array.dtype.kind == "f" else np.int32
            values = np.ascontiguousarray(array, kind).reshape(one["matrix"])
            self._inputs.append(ncnn.Mat(values).clone())

    def invoke(self) -> None:
        """Run one inference; raises `AgentError`."""
        extractor = self._net.create_extractor()
        for matrix, one in zip(self._inputs, self._given):
            if extractor.input(one["blob"], matrix) != 0:
                raise AgentError(
                    INFERENCE_FAILED, f"ncnn takes no input {one['name']!r}."
                )
        self._results = []
        for one in self._made:
            code, matrix = extractor.extract(one["blob"])
            if code != 0:
                raise AgentError(
                    INFERENCE_FAILED,
                    f"ncnn gives no output {one['name']!r} (code {code}).",
                )
            self._results.append(matrix)

    def read(self) -> list[np.ndarray[Any, Any]]:
        """Copies of the outputs of the last inference."""
        found = []
        for matrix, info in zip(self._results, self.outputs):
            values = np.array(matrix)
            if values.size != np.prod(info.shape, dtype=np.int64):
                raise AgentError(
                    INFERENCE_FAILED,
                    f"ncnn's output {info.name!r} is {list(values.shape)}, the network's "
                    f"{list(info.shape)}.",
                )
            found.append(values.reshape(info.shape).astype(info.dtype))
        return found


def _info(one: Mapping[str, Any]) -> TensorInfo:
    return TensorInfo(
        name=str(one["name"]),
        shape=tuple(int(size) for size in one["shape"]),
        dtype=str(np.dtype(one["dtype"])),
    )
