"""ONNX Runtime on its CPU provider, all graph optimizations on.

Timed: `InferenceSession.run_with_iobinding`. Inputs and outputs are bound beforehand to buffers
of ours, so that no run allocates or copies; an output whose shape the model leaves open is
allocated by the runtime in every run.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import INFERENCE_FAILED, JOB_INVALID, MODEL_UNREADABLE, AgentError
from ..schema import OperatorTime
from ..session import Session, TensorInfo, buffer

PACKAGE = "onnxruntime"
DEFAULTS: Mapping[str, Any] = {
    # Threads of the pool spin while they wait: lower latency, more energy. Of no effect with
    # one thread.
    "allow_spinning": True,
    # Graph optimization level at load time: disable, basic, extended or all.
    "graph_optimization": "all",
}
_HEAVY = ("Conv", "ConvTranspose", "Gemm", "MatMul", "FusedConv", "FusedMatMul")
_TYPES = {
    "float": "float32",
    "double": "float64",
}


def version() -> str:
    """The version of the installed package; raises `ImportError`."""
    # Since 1.29 the Linux builds report each model's name and hashes to their maker, from a
    # thread that runs beside the timed inferences.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    return str(onnxruntime.__version__)


def load(path: str, threads: int, options: Mapping[str, Any]) -> Session:
    """The model loaded for `threads` threads; raises `AgentError`."""
    return _load(path, threads, options, profile="")


def profile(
    path: str,
    threads: int,
    options: Mapping[str, Any],
    runs: int,
    prepare: Callable[[Session], None],
) -> list[OperatorTime]:
    """Median time of each node that ran, after fusion, in the order of execution."""
    with tempfile.TemporaryDirectory(prefix="edgekit-profile-") as folder:
        session = _load(path, threads, options, profile=str(Path(folder) / "run"))
        prepare(session)
        for _ in range(runs + 1):
            session.invoke()
        events = json.loads(Path(session.end_profiling()).read_text())
    return rows(events)


def rows(events: Sequence[Mapping[str, Any]]) -> list[OperatorTime]:
    """A profile's events by node; the first inference, which warms up, is left out."""
    times: dict[str, list[float]] = {}
    kinds: dict[str, tuple[str, str]] = {}
    for event in events:
        name = str(event.get("name", ""))
        if event.get("cat") == "Node" and name.endswith("_kernel_time"):
            key = f"{name[: -len('_kernel_time')]} #{event['args'].get('node_index')}"
            times.setdefault(key, []).append(float(event["dur"]))
            kinds[key] = (event["args"]["op_name"], event["args"]["provider"])
    quantized = any("quantizelinear" in kind.lower() for kind, _ in kinds.values())
    found: list[OperatorTime] = []
    for key, each in times.items():
        kind, provider = kinds[key]
        in_float = quantized and kind in _HEAVY
        found.append(
            {
                "name": key.rpartition(" #")[0],
                "kind": kind,
                "us": statistics.median(each[1:] or each),
                "kernel": provider,
                "fast": False if in_float else None,
                "why": "runs in float between two conversions, though the network is int8"
                if in_float
                else None,
            }
        )
    return found


def _load(
    path: str, threads: int, options: Mapping[str, Any], *, profile: str
) -> OnnxSession:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    if profile:
        settings.enable_profiling = True
        settings.profile_file_prefix = profile
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    settings.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    settings.log_severity_level = 3
    settings.graph_optimization_level = _level(onnxruntime, options)
    settings.add_session_config_entry(
        "session.intra_op.allow_spinning", "1" if options["allow_spinning"] else "0"
    )
    try:
        session = onnxruntime.InferenceSession(
            path, settings, providers=["CPUExecutionProvider"]
        )
    except _errors() as error:
        raise AgentError(
            MODEL_UNREADABLE, f"{path} is refused by onnxruntime ({error})."
        ) from error
    return OnnxSession(onnxruntime, session)


def _level(onnxruntime: Any, options: Mapping[str, Any]) -> Any:
    levels = onnxruntime.GraphOptimizationLevel
    known = {
        "disable": levels.ORT_DISABLE_ALL,
        "basic": levels.ORT_ENABLE_BASIC,
        "extended": levels.ORT_ENABLE_EXTENDED,
        "all": levels.ORT_ENABLE_ALL,
    }
    level = options["graph_optimization"]
    if level not in known:
        raise AgentError(
            JOB_INVALID,
            f"onnxruntime has no graph_optimization {level!r}. "
            f"Known: {', '.join(known)}.",
        )
    return known[level]


class OnnxSession:
    """A session of ONNX Runtime with bound inputs and outputs."""

    def __init__(self, onnxruntime: Any, session: Any) -> None:
        self._session = session
        self._binding = session.io_binding()
        self._errors = _errors()
        self.inputs = [_info(node) for node in session.get_inputs()]
        self.outputs = [_info(node) for node in session.get_outputs()]
        value = onnxruntime.OrtValue.ortvalue_from_numpy  # shares the array's memory
        self._buffers = [buffer(info) for info in self.inputs]
        for info, memory in zip(self.inputs, self._buffers):
            self._binding.bind_ortvalue_input(info.name, value(memory))
        for info, node in zip(self.outputs, session.get_outputs()):
            if all(isinstance(size, int) for size in node.shape):
                output = value(buffer(info))
                self._binding.bind_ortvalue_output(info.name, output)
            else:
                self._binding.bind_output(info.name, "cpu")

    def prepare(self, arrays: Sequence[np.ndarray[Any, Any]]) -> None:
        """Copy one array for each input into the session."""
        for memory, array in zip(self._buffers, arrays):
            np.copyto(memory, array)

    def invoke(self) -> None:
        """Run one inference; raises `AgentError`."""
        try:
            self._session.run_with_iobinding(self._binding)
        except self._errors as error:
            raise AgentError(INFERENCE_FAILED, str(error)) from error

    def end_profiling(self) -> str:
        """The file that the profile was written to."""
        return str(self._session.end_profiling())

    def read(self) -> list[np.ndarray[Any, Any]]:
        """Copies of the outputs of the last inference."""
        return [np.array(output) for output in self._binding.copy_outputs_to_cpu()]


def _info(node: Any) -> TensorInfo:
    kind = node.type[len("tensor(") : -1]
    return TensorInfo(
        name=node.name, shape=_static(node.shape), dtype=_TYPES.get(kind, kind)
    )


def _static(shape: Sequence[Any]) -> tuple[int, ...]:
    """The shape with every size the model leaves open as 1, the batch of a device."""
    return tuple(size if isinstance(size, int) else 1 for size in shape)


def _errors() -> tuple[type[Exception], ...]:
    """ONNX Runtime's exceptions, which have no common parent of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = [kind for kind in vars(state).values() if isinstance(kind, type)]
    return (
        *(kind for kind in own if issubclass(kind, Exception)),
        ValueError,
        RuntimeError,
    )
