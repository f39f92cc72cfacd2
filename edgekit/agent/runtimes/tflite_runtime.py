"""tflite-runtime: where LiteRT has no wheel (32-bit Raspberry Pi OS). Needs numpy < 2.

Timed: `Interpreter.invoke()`, as with LiteRT.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from typing import Any

from ..session import Session
from .litert import DEFAULTS as LITERT_DEFAULTS
from .litert import TfliteSession, delegates

PACKAGE = "tflite-runtime"
DEFAULTS: Mapping[str, Any] = LITERT_DEFAULTS


def version() -> str:
    """The version of the installed package; raises `ImportError`."""
    import tflite_runtime.interpreter  # noqa: F401

    return importlib.metadata.version(PACKAGE)


def load(path: str, threads: int, options: Mapping[str, Any]) -> Session:
    """The model loaded for `threads` threads; raises `AgentError`."""
    from tflite_runtime.interpreter import Interpreter, OpResolverType

    return TfliteSession(Interpreter, path, threads, delegates(OpResolverType, options))
