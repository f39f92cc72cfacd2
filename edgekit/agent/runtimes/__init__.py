"""The runtimes: one file each, imported only when a job names it.

A file has `PACKAGE` (what pip installs), `version()` (imports it), `load(path, threads, options)`
and `DEFAULTS` (its options and what they mean).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast

from ..errors import (
    JOB_INVALID,
    MODEL_UNREADABLE,
    RUNTIME_MISSING,
    AgentError,
    one_line,
)

if TYPE_CHECKING:
    from ..session import Session

RUNTIMES = {
    "litert": "litert",
    "tflite-runtime": "tflite_runtime",
    "onnxruntime": "onnxruntime",
    "openvino": "openvino",
}


class Runtime(Protocol):
    PACKAGE: str
    DEFAULTS: Mapping[str, Any]

    def version(self) -> str: ...

    def load(self, path: str, threads: int, options: Mapping[str, Any]) -> Session: ...


def find(name: str) -> tuple[Runtime, str]:
    """The runtime, imported, and its version; raises `runtime_missing` with what pip installs."""
    if name not in RUNTIMES:
        known = ", ".join(RUNTIMES)
        raise AgentError(JOB_INVALID, f"No runtime {name!r}. Known: {known}.")
    module = importlib.import_module("." + RUNTIMES[name], __name__)
    runtime = cast(Runtime, module)
    try:
        return runtime, runtime.version()
    except (ImportError, OSError) as error:
        raise AgentError(
            RUNTIME_MISSING,
            f"{name} needs the package {runtime.PACKAGE} ({one_line(error)}).",
        ) from error


def settings(runtime: Runtime, given: Mapping[str, Any]) -> dict[str, Any]:
    """The runtime's options with `given` over its defaults; an unknown one is refused."""
    unknown = sorted(set(given) - set(runtime.DEFAULTS))
    if unknown:
        known = ", ".join(runtime.DEFAULTS) or "none"
        raise AgentError(
            JOB_INVALID,
            f"{runtime.PACKAGE} has no option {unknown[0]!r}. Known: {known}.",
        )
    return {**runtime.DEFAULTS, **given}


def open_model(
    runtime: Runtime, path: str, threads: int, options: Mapping[str, Any]
) -> Session:
    """The model loaded and its memory allocated; raises `model_unreadable` with the reason."""
    try:
        with open(path, "rb"):  # noqa: PTH123 - runtimes explain a missing file badly
            pass
    except OSError as error:
        raise AgentError(
            MODEL_UNREADABLE, f"Cannot read {path} ({error.strerror})."
        ) from error
    return runtime.load(path, threads, options)
