"""Where a training is, on disk, so that whoever is killed goes on as if nothing had happened."""

from __future__ import annotations

import os
import pickle
import time
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edgekit.distill.processes import whole
from edgekit.errors import OutputError

State = dict[str, Any]
"""Tensors, numbers, text, and lists and dicts of them: nothing whose reading runs code."""
_NAME = "checkpoint.pt"
_UNREADABLE = (
    OSError,
    RuntimeError,
    EOFError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
)


class Checkpoints:
    """One file in `folder`, replaced every so many minutes, whole or not at all."""

    def __init__(self, folder: Path | None, minutes: float) -> None:
        self._file = None if folder is None else folder / _NAME
        self._seconds = minutes * 60
        self._last = time.monotonic()

    @property
    def kept(self) -> bool:
        """Whether checkpoints are wanted at all."""
        return self._file is not None

    def due(self) -> bool:
        return self.kept and time.monotonic() - self._last >= self._seconds

    def write(self, state: State) -> None:
        assert self._file is not None
        partial = self._file.with_name(f".{_NAME}-{os.getpid()}")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            torch.save(state, partial)
            partial.replace(self._file)
        except OSError as error:
            raise OutputError(
                f"Cannot write the checkpoint {self._file} ({error.strerror}). "
                "Make room, or set EDGEKIT_CACHE to another folder."
            ) from error
        self._last = time.monotonic()

    def read(self) -> State | None:
        """The last state, or `None` where there is none that can be read."""
        if self._file is None or not self._file.is_file():
            return None
        try:
            state: State = torch.load(self._file, map_location="cpu", weights_only=True)
        except _UNREADABLE:
            return None
        return state

    def remove(self) -> None:
        if self._file is not None:
            self._file.unlink(missing_ok=True)
            with suppress(OSError):  # whoever else has a file there keeps the folder
                self._file.parent.rmdir()


def on_cpu(value: Any) -> Any:
    """Nested dicts and lists with a copy of every tensor, whole and on the CPU."""
    if isinstance(value, Tensor):
        return whole(value)
    if isinstance(value, dict):
        return {key: on_cpu(item) for key, item in value.items()}
    return [on_cpu(item) for item in value] if isinstance(value, list) else value
