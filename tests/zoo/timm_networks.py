"""timm's networks, random weights, without torchvision.

timm imports torchvision at import time for its image transforms, which no network here uses.
Where torchvision is not installed, empty classes stand in while timm is being imported and are
forgotten right after, so that nothing else takes torchvision to be there.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, ClassVar

from torch import nn


class _EmptyType(type):
    """A class whose every attribute is another empty class."""

    def __getattr__(cls, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return _EmptyType(name, (), {})


class _EmptyModule(ModuleType):
    __path__: ClassVar[list[str]] = []

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return _EmptyType(name, (), {})


class _Finder(MetaPathFinder, Loader):
    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        inside = name.partition(".")[0] == "torchvision"
        return ModuleSpec(name, self, is_package=True) if inside else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _EmptyModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


@contextmanager
def _torchvision() -> Iterator[None]:
    if importlib.util.find_spec("torchvision") is not None:
        yield
        return
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [n for n in sys.modules if n.partition(".")[0] == "torchvision"]:
            del sys.modules[name]


def available() -> bool:
    return importlib.util.find_spec("timm") is not None


def create(name: str, **options: Any) -> nn.Module:
    """`timm.create_model(name)` with random weights."""
    if "timm" not in sys.modules:
        with _torchvision():
            importlib.import_module("timm")
    model: nn.Module = sys.modules["timm"].create_model(
        name, pretrained=False, **options
    )
    return model
