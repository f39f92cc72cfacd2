"""LiteRT by its Python interpreter, with the XNNPACK delegate it applies by itself.

Timed: `Interpreter.invoke()`. Inputs are set, and outputs read, outside.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import INFERENCE_FAILED, MODEL_UNREADABLE, AgentError
from ..session import Quantization, Session, TensorInfo

PACKAGE = "ai-edge-litert"
DEFAULTS: Mapping[str, Any] = {
    # XNNPACK takes the operators it has kernels for; without it LiteRT's own run.
    "xnnpack": True,
}


def version() -> str:
    """The version of the installed package; raises `ImportError`."""
    import ai_edge_litert.interpreter  # noqa: F401

    return importlib.metadata.version(PACKAGE)


def load(path: str, threads: int, options: Mapping[str, Any]) -> Session:
    """The model loaded for `threads` threads; raises `AgentError`."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    return TfliteSession(Interpreter, path, threads, delegates(OpResolverType, options))


def delegates(resolvers: Any, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """The interpreter's argument that leaves the default delegate out, where `delegate` is
    false."""
    if options["xnnpack"]:
        return {}
    plain = resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    return {"experimental_op_resolver_type": plain}


class TfliteSession:
    """An interpreter of the TFLite family; `tflite_runtime` has the same interface."""

    def __init__(
        self, interpreter: Any, path: str, threads: int, more: Mapping[str, Any]
    ) -> None:
        try:
            self._interpreter = interpreter(
                model_path=path, num_threads=threads, **more
            )
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise AgentError(
                MODEL_UNREADABLE, f"{path} is refused by the interpreter ({error})."
            ) from error
        inputs = self._interpreter.get_input_details()
        outputs = self._interpreter.get_output_details()
        self._input_numbers = [details["index"] for details in inputs]
        self._output_numbers = [details["index"] for details in outputs]
        self.inputs = [_info(details) for details in inputs]
        self.outputs = [_info(details) for details in outputs]

    def prepare(self, arrays: Sequence[np.ndarray[Any, Any]]) -> None:
        """Copy one array for each input into the session."""
        for number, array in zip(self._input_numbers, arrays):
            self._interpreter.set_tensor(number, array)

    def invoke(self) -> None:
        """Run one inference; raises `AgentError`."""
        try:
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise AgentError(INFERENCE_FAILED, str(error)) from error

    def delegated(self) -> bool:
        """Return whether a delegate (XNNPACK) took operators of this model; false where none
        did."""
        found = self._interpreter._get_ops_details()
        return any(operator["op_name"] == "DELEGATE" for operator in found)

    def read(self) -> list[np.ndarray[Any, Any]]:
        """Copies of the outputs of the last inference."""
        return [self._interpreter.get_tensor(number) for number in self._output_numbers]


def _info(details: Mapping[str, Any]) -> TensorInfo:
    return TensorInfo(
        name=details["name"],
        shape=tuple(int(size) for size in details["shape"]),
        dtype=np.dtype(details["dtype"]).name,
        quantization=_quantization(details["quantization_parameters"]),
    )


def _quantization(parameters: Mapping[str, Any]) -> Quantization | None:
    scales, zeros = parameters["scales"], parameters["zero_points"]
    if len(scales) != 1:  # none, or one per channel, which no input or output has
        return None
    return Quantization(float(scales[0]), int(zeros[0]))
