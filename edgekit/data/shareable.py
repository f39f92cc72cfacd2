"""Check of objects that several processes are to read at once."""

from __future__ import annotations

import pickle
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numpy as np
from torch import Tensor

_CODE = (type, FunctionType, BuiltinFunctionType, ModuleType)
_VALUES = (np.ndarray, Tensor)


def is_shareable(held: Any) -> bool:
    """Return whether `held` has no open file, connection, lock or generator in it.

    Forked processes would share the place in a file, and read each other's bytes.
    """
    try:
        _Walk(_Nowhere(), protocol=5).dump(held)
    except Exception:  # noqa: BLE001 (pickling runs the authors' code, which raises anything)
        return False
    return True


class _Nowhere:
    """A file that keeps nothing."""

    def write(self, content: Any) -> int:
        """Return the length of what is written."""
        return len(content)


class _Walk(pickle.Pickler):
    """Everything that an object holds but code and numbers, which forked processes have, too."""

    def persistent_id(self, value: Any) -> str | None:
        """A name in place of code and numbers."""
        return "left out" if isinstance(value, (*_CODE, *_VALUES)) else None
