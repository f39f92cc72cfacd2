"""The runtimes: one file each, found by scanning, imported only when a job names it.

A runtime's name is its file's, with `-` for `_`.
A file has `PACKAGE` (what pip installs), `version()` (imports it), `load(path, threads, options)`
and `DEFAULTS` (its options and what they mean).
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import sys
from collections.abc import Mapping
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
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

PLUGINS = "EDGEKIT_PLUGINS"
"""Environment variable: folders that add runtimes, each `runtimes/<name>/agent.py`."""


class Runtime(Protocol):
    """Interface of a runtime's module."""

    PACKAGE: str
    DEFAULTS: Mapping[str, Any]

    def version(self) -> str:
        """The version of the installed package; raises `ImportError`."""

    def load(self, path: str, threads: int, options: Mapping[str, Any]) -> Session:
        """The model loaded for `threads` threads; raises `AgentError`."""


def added() -> dict[str, Path]:
    """The agent's files of added runtimes, by the name of their module."""
    named = [one for one in os.environ.get(PLUGINS, "").split(os.pathsep) if one]
    folders = (Path(one).absolute() / "runtimes" for one in named)
    files = (file for folder in folders for file in sorted(folder.glob("*/agent.py")))
    return {file.parent.name: file for file in files}


def names() -> list[str]:
    """The runtimes that a job can name."""
    own = [module.name for module in pkgutil.iter_modules(__path__)]
    return sorted(name.replace("_", "-") for name in {*own, *added()})


def find(name: str) -> tuple[Runtime, str]:
    """The runtime, imported, and its version; raises `runtime_missing` with what pip installs."""
    if name not in names():
        known = ", ".join(names())
        raise AgentError(JOB_INVALID, f"No runtime {name!r}. Known: {known}.")
    runtime = cast(Runtime, _module(name.replace("-", "_")))
    try:
        return runtime, runtime.version()
    except (ImportError, OSError) as error:
        raise AgentError(
            RUNTIME_MISSING,
            f"{name} needs the package {runtime.PACKAGE} ({one_line(error)}).",
        ) from error


def _module(name: str) -> ModuleType:
    file, whole = added().get(name), f"{__name__}.{name}"
    if file is None:
        return importlib.import_module(whole)
    loaded = sys.modules.get(whole)
    if loaded is not None and loaded.__file__ == str(file):
        return loaded
    loader = SourceFileLoader(whole, str(file))
    spec = ModuleSpec(whole, loader, origin=str(file))
    spec.has_location = True
    module = sys.modules[whole] = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


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
