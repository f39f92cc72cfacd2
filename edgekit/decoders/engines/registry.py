"""The runtimes for generation by name."""

from __future__ import annotations

from collections.abc import Mapping

from edgekit.decoders.engines.llama_cpp import LlamaCpp
from edgekit.decoders.engines.onnxruntime_genai import OnnxRuntimeGenAI
from edgekit.decoders.engines.openvino_genai import OpenVinoGenAI
from edgekit.decoders.engines.protocol import Engine, check_installed
from edgekit.errors import UsageError
from edgekit.suggestions import suggest

ENGINES: Mapping[str, Engine] = {
    engine.name: engine for engine in (OpenVinoGenAI(), OnnxRuntimeGenAI(), LlamaCpp())
}


def engine(name: str) -> Engine:
    """The runtime of that name; `UsageError` for an unknown one, `RuntimeMissing` for one that
    is not installed."""
    found = named(name)
    check_installed(found)
    return found


def named(name: str) -> Engine:
    """The runtime of that name, installed or not; `UsageError` for an unknown one."""
    if name not in ENGINES:
        raise UsageError(
            f"No runtime for generation is called '{name}'.{suggest(name, ENGINES)} There are "
            f"{', '.join(ENGINES)}."
        )
    return ENGINES[name]
