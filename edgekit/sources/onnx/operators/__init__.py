"""ONNX operators in torch calls, a file for each family."""

from __future__ import annotations

import importlib
import pkgutil


def register() -> None:
    """Import every family, which enters its operators in the table."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
