"""Requests that cannot be exported are refused first, and failures are reported by name."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

from edgekit.errors import ArtifactError, EdgeKitError, RuntimeMissing
from edgekit.runtimes.protocol import CALIBRATED
from edgekit.runtimes.record import Runtime
from edgekit.types import Precision


def check(
    runtime: Runtime, name: str, precision: Precision, *, calibrated: bool
) -> None:
    """Refuse, before any work, what cannot be exported here."""
    if precision not in runtime.precisions:
        raise ArtifactError(
            f"{runtime.title} export of {name}: precision {precision} is not supported; "
            f"choose from {', '.join(runtime.precisions)}."
        )
    if precision in CALIBRATED and not calibrated:
        raise ArtifactError(
            f"{runtime.title} export of {name}: {precision} needs calibration samples; "
            "name calibration data in edgekit.toml, or choose fp32."
        )
    check_libraries(runtime)


def check_libraries(runtime: Runtime) -> None:
    """Raise `RuntimeMissing` where a library that exports for a runtime is not installed."""
    missing = [
        package
        for module, package in runtime.libraries.items()
        if importlib.util.find_spec(module) is None
    ]
    if missing:
        raise RuntimeMissing(
            f"{runtime.title} export needs {' and '.join(missing)}: "
            f"pip install 'edgekit[{runtime.extra}]'"
        )


@contextmanager
def attribute_layer(runtime: Runtime, name: str) -> Iterator[None]:
    """Turn whatever a library raises into one line that names the format and the artifact."""
    try:
        yield
    except Exception as error:
        raise ArtifactError(
            f"{runtime.title} export of {name} failed: {_reason(error)}"
        ) from error


def _reason(error: BaseException) -> str:
    """The first line of the innermost cause: exporters wrap it in pages of advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else "no reason given"
    if isinstance(error, EdgeKitError):
        return text
    return f"{type(error).__name__}: {text}"
