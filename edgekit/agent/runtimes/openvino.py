"""OpenVINO on the CPU: one stream, a fixed number of threads, float32 arithmetic.

Timed: `InferRequest.infer()` with shared outputs. Inputs are copied to the request's own
tensors beforehand.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import INFERENCE_FAILED, MODEL_UNREADABLE, AgentError
from ..schema import OperatorTime
from ..session import Session, TensorInfo

PACKAGE = "openvino"
DEFAULTS: Mapping[str, Any] = {
    # OpenVINO picks bf16 by itself on processors that have it, and errs by 1e-3 then.
    "INFERENCE_PRECISION_HINT": "f32",
    "PERFORMANCE_HINT": "LATENCY",
    "ENABLE_CPU_PINNING": True,
}


def version() -> str:
    """The version of the installed package; raises `ImportError`."""
    # Importing OpenVINO reports the fact to its maker, from another process and with files in
    # the user's home; without this package it uses its own stub instead.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import openvino

    return str(openvino.__version__)


def profile(
    path: str,
    threads: int,
    options: Mapping[str, Any],
    runs: int,
    prepare: Callable[[Session], None],
) -> list[OperatorTime]:
    """Median time of each node that ran, after fusion, in the order of the graph."""
    session = load(path, threads, {**options, "PERF_COUNT": True})
    prepare(session)
    session.invoke()
    times: dict[str, list[float]] = {}
    kinds: dict[str, tuple[str, str]] = {}
    for _ in range(runs):
        session.invoke()
        for node in session.profiling_info():
            if str(node.status).endswith("EXECUTED"):
                us = node.real_time.total_seconds() * 1e6
                times.setdefault(node.node_name, []).append(us)
                kinds[node.node_name] = (node.node_type, node.exec_type)
    found: list[OperatorTime] = []
    for name, each in times.items():
        kind, kernel = kinds[name]
        reference = kernel.startswith("ref") or "_ref_" in kernel
        found.append(
            {
                "name": name,
                "kind": kind,
                "us": statistics.median(each),
                "kernel": kernel,
                "fast": not reference,
                "why": "OpenVINO's reference kernel runs" if reference else None,
            }
        )
    return found


def load(path: str, threads: int, options: Mapping[str, Any]) -> OpenvinoSession:
    """The model loaded for `threads` threads; raises `AgentError`."""
    import openvino

    settings = {**options, "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": threads}
    try:
        engine = openvino.Core()
        model = engine.read_model(path)
        open_shapes = {
            port: [1 if size.is_dynamic else size for size in port.partial_shape]
            for port in model.inputs
            if port.partial_shape.is_dynamic
        }
        if open_shapes:
            model.reshape(open_shapes)
        compiled = engine.compile_model(model, "CPU", settings)
        return OpenvinoSession(compiled)
    except RuntimeError as error:
        raise AgentError(
            MODEL_UNREADABLE, f"{path} is refused by openvino ({error})."
        ) from error


class OpenvinoSession:
    """An inference request of a compiled OpenVINO model."""

    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()
        self.inputs = [
            _info(port, f"input_{i}") for i, port in enumerate(compiled.inputs)
        ]
        self.outputs = [
            _info(port, f"output_{i}") for i, port in enumerate(compiled.outputs)
        ]
        self._inputs = [
            self._request.get_input_tensor(number) for number in range(len(self.inputs))
        ]

    def prepare(self, arrays: Sequence[np.ndarray[Any, Any]]) -> None:
        """Copy one array for each input into the session."""
        for tensor, array in zip(self._inputs, arrays):
            np.copyto(tensor.data, array)

    def invoke(self) -> None:
        """Run one inference; raises `AgentError`."""
        try:
            self._request.infer(share_outputs=True)
        except RuntimeError as error:
            raise AgentError(INFERENCE_FAILED, str(error)) from error

    def profiling_info(self) -> Sequence[Any]:
        """Duration of each node in the last inference."""
        return tuple(self._request.profiling_info)

    def read(self) -> list[np.ndarray[Any, Any]]:
        """Copies of the outputs of the last inference."""
        return [
            np.array(self._request.get_output_tensor(number).data)
            for number in range(len(self.outputs))
        ]


def _info(port: Any, name: str) -> TensorInfo:
    shape = port.partial_shape
    return TensorInfo(
        name=port.any_name if port.names else name,
        shape=tuple(1 if size.is_dynamic else size.get_length() for size in shape),
        dtype=np.dtype(port.element_type.to_dtype()).name,
    )
