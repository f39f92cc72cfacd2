"""Prune, distill, export and prove neural networks for the device they will run on.

Every name in `__all__` is imported from `edgekit.api` when it is first used, so that importing
the package loads neither PyTorch nor a runtime.
"""

# Nothing but what is built in: a script's own folder is still searched when this is read.
import sys

__version__ = "0.1.0"
__all__ = [
    "Benchmark",
    "Budget",
    "BuildResult",
    "Bundle",
    "Data",
    "Network",
    "PruningPlan",
    "Recipe",
    "__version__",
    "benchmark",
    "build",
    "build_many",
    "build_request",
    "diff",
    "distill",
    "evaluate",
    "export",
    "load",
    "plan",
    "prune",
    "quantize",
    "search",
]
_Module = type(sys)
_FUNCTIONS = frozenset(__all__) - {"__version__"}


class _Library(_Module):
    """The package as a module whose functions win over its folders of the same names.

    Importing `edgekit.prune.planner` binds the folder `prune` to its name in the package, where
    users look for the function; folders are reached by import alone.
    """

    def __getattr__(self, name: str) -> object:
        if name not in _FUNCTIONS:
            raise AttributeError(f"module 'edgekit' has no attribute '{name}'")
        import importlib

        found: object = getattr(importlib.import_module("edgekit.api"), name)
        setattr(self, name, found)
        return found

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _FUNCTIONS and isinstance(value, _Module)):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *__all__})


sys.modules[__name__].__class__ = _Library
