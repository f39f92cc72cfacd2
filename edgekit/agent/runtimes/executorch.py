"""ExecuTorch by its Python bindings, which need PyTorch.

Timed: `Method.execute()`. Inputs are set, and outputs read, outside; of a file whose inputs share
their memory with what is computed, they are set inside, too. Names of inputs and outputs
are behind the end of the file, where EdgeKit's exporter writes them: JSON, its length and a mark.
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

PACKAGE = "executorch"
DEFAULTS: Mapping[str, Any] = {}
MARK = b"EDGEKIT1"
_LENGTH = 8
# PyTorch's numbers of its scalar types, as the bindings give them.
_DTYPES = {
    0: "uint8",
    1: "int8",
    2: "int16",
    3: "int32",
    4: "int64",
    5: "float16",
    6: "float32",
    7: "float64",
    11: "bool",
}


def version() -> str:
    """The version of the installed package; raises `ImportError`."""
    import executorch  # noqa: F401

    return importlib.metadata.version(PACKAGE)


def load(path: str, threads: int, options: Mapping[str, Any]) -> ExecutorchSession:
    """The model loaded for `threads` threads; raises `AgentError`."""
    bindings = _bindings()
    # Before any method is made: XNNPACK keeps the pool that it finds then.
    bindings._unsafe_reset_threadpool(threads)
    try:
        program = bindings._load_program(path)
        method = program.load_method("forward")
    except (RuntimeError, ValueError) as error:
        raise AgentError(
            MODEL_UNREADABLE, f"{path} is refused by executorch ({error})."
        ) from error
    names = trailer(Path(path).read_bytes())
    return ExecutorchSession(program, method, names)


def _bindings() -> Any:
    """The bindings, whose processor library reports on stdout and stderr what it cannot read."""
    import torch  # noqa: F401 - the bindings are linked against it
    from executorch.extension.pybindings import portable_lib

    return portable_lib


def trailer(content: bytes) -> Mapping[str, Any]:
    """Values behind the program of a file; none where there is nothing."""
    start = len(program_of(content))
    if start == len(content):
        return {}
    try:
        found = json.loads(content[start : -_LENGTH - len(MARK)])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def program_of(content: bytes) -> bytes:
    """The file up to the end of its program."""
    if not content.endswith(MARK):
        return content
    length = int.from_bytes(content[-len(MARK) - _LENGTH : -len(MARK)], "little")
    start = len(content) - len(MARK) - _LENGTH - length
    return content[:start] if start >= 0 else content


class ExecutorchSession:
    """A loaded method; its tensors are those of one inference, batch size 1."""

    def __init__(self, program: Any, method: Any, names: Mapping[str, Any]) -> None:
        self._program, self._method = program, method
        meta = method.method_meta()
        self.inputs = [
            _info(meta.input_tensor_meta(n), _name(names, "inputs", n))
            for n in range(meta.num_inputs())
        ]
        self.outputs = [
            _info(meta.output_tensor_meta(n), _name(names, "outputs", n))
            for n in range(meta.num_outputs())
        ]
        self._inputs: tuple[Any, ...] = ()
        self._overwritten = any(
            meta.input_tensor_meta(n).is_memory_planned()
            for n in range(meta.num_inputs())
        )

    def prepare(self, arrays: Sequence[np.ndarray[Any, Any]]) -> None:
        """Copy one array for each input into the session."""
        import torch

        self._inputs = tuple(torch.from_numpy(np.array(one)) for one in arrays)
        self._set_inputs()

    def _set_inputs(self) -> None:
        try:
            self._method.set_inputs(self._inputs)
        except RuntimeError as error:
            raise AgentError(INFERENCE_FAILED, str(error)) from error

    def invoke(self) -> None:
        """Run one inference; raises `AgentError`."""
        if self._overwritten:
            self._set_inputs()
        try:
            self._method.execute()
        except RuntimeError as error:
            raise AgentError(INFERENCE_FAILED, str(error)) from error

    def read(self) -> list[np.ndarray[Any, Any]]:
        """Copies of the outputs of the last inference."""
        return [np.array(one) for one in self._method.get_outputs()]


def _name(names: Mapping[str, Any], side: str, number: int) -> str:
    found = names.get(side)
    if isinstance(found, list) and number < len(found):
        return str(found[number])
    return f"{side[:-1]}_{number}"


def _info(meta: Any, name: str) -> TensorInfo:
    return TensorInfo(
        name=name,
        shape=tuple(int(size) for size in meta.sizes()),
        dtype=_DTYPES.get(int(meta.dtype()), str(meta.dtype())),
    )
