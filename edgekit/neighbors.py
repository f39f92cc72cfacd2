"""Imports of a user's files beside each other, which nobody else's imports see.

A folder on `sys.path` would serve every import: a user's `random.py` beside `model.py` would be
run by the next library that asks for the real one. Here only files of that folder find it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import FrameType, ModuleType

_OURS = Path(__file__).parent
_INSTALLED = {"site-packages", "dist-packages"}
_CARRIERS = ("pickle", "torch.serialization", "joblib.numpy_pickle")
"""Modules that import what the user's data names."""


_ADDED: dict[Path, list[str]] = {}
"""Paths that code of a folder put on `sys.path`: the folder comes last there the next time."""


@contextmanager
def neighbors(folder: Path) -> Iterator[None]:
    """While this lasts, files of `folder` can import others of it.

    What the user's code adds to `sys.path` itself holds for that code alone.
    """
    finder = _Finder(folder)
    path, modules = list(sys.path), set(sys.modules)
    sys.path.extend(_ADDED.get(folder, ()))
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        _ADDED[folder] = [e for e in sys.path if e not in (*path, str(folder))]
        sys.path[:] = [entry for entry in sys.path if entry in path]
        _forget(folder, modules)


class _Finder(MetaPathFinder):
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """The module of the folder, where a file of the folder asks for it.

        The standard library keeps its names, as the rest of the process lives by them, and a
        folder without `__init__.py` comes after a package that is installed.
        """
        if path is not None or fullname in sys.stdlib_module_names:
            return None
        if not self._asks(sys._getframe(1)):
            return None
        found = PathFinder.find_spec(fullname, [str(self.folder)])
        if found and found.loader is None and PathFinder.find_spec(fullname):
            return None
        return found

    def _asks(self, frame: FrameType | None) -> bool:
        while frame and _imports(frame):
            frame = frame.f_back
        if frame is None:
            return False
        if frame.f_globals.get("__name__") in _CARRIERS:
            return True
        file = Path(frame.f_code.co_filename)
        if not file.is_relative_to(self.folder):
            return False
        if _OURS.is_relative_to(self.folder) and file.is_relative_to(_OURS):
            return False
        return not _INSTALLED.intersection(file.relative_to(self.folder).parts)


def _imports(frame: FrameType) -> bool:
    """Return whether this is Python's own import machinery, with the caller further up."""
    name = str(frame.f_globals.get("__name__", ""))
    return name.partition(".")[0] in ("importlib", "_frozen_importlib")


def _forget(folder: Path, before: set[str]) -> None:
    """Drop what was imported from `folder` itself, so that another project's `blocks.py` is not
    mistaken for this one's. Packages installed below it stay."""
    new = [name for name in set(sys.modules) - before if _home(name) == folder]
    for name in new:
        del sys.modules[name]


def _home(name: str) -> Path | None:
    """The folder that holds the module or the package around it."""
    top = sys.modules.get(name.partition(".")[0])
    if top is None or name.startswith("_edgekit_authored_"):
        return None
    if hasattr(top, "__path__"):
        return next((Path(place).parent for place in top.__path__), None)
    file = getattr(top, "__file__", None)
    return None if file is None else Path(file).parent
