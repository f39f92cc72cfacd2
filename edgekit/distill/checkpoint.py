"""Where a training is, on disk, so that whoever is killed goes on as if nothing had happened."""

from __future__ import annotations

import pickle
import time
import zipfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edgekit import scratch, store
from edgekit.distill.processes import whole
from edgekit.errors import OutputError

State = dict[str, Any]
"""Tensors, numbers, text, and lists and dicts of them: nothing whose reading runs code."""
_PATTERN = "checkpoint-*.pt"
_UNREADABLE = (
    OSError,
    RuntimeError,
    EOFError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
)


@dataclass(kw_only=True)
class TrainingState:
    """Progress of the current epoch."""

    epoch: int = 1
    step: int = 0
    order: Tensor | None = None
    """Of the samples; `None` before the epoch begins."""
    total: float = 0.0
    seconds: float = 0.0
    started: float = field(default_factory=time.perf_counter)

    def batches(self, size: int, steps: int) -> list[Tensor]:
        """The samples of the current step and those after it, of `steps` in all; raises
        `ValueError` before the epoch begins."""
        if self.order is None:
            raise ValueError("No batch is drawn before the epoch begins.")
        left = range(self.step, steps)
        return [self.order[step * size : (step + 1) * size] for step in left]


class Checkpoints:
    """The last state in `folder`, replaced every so many minutes, whole or not at all.

    The file's name holds the hash of its content and of the folder's name.
    """

    def __init__(self, folder: Path | None, minutes: float) -> None:
        self._folder = folder
        self._seconds = minutes * 60
        self._last = time.monotonic()

    @property
    def kept(self) -> bool:
        """Return whether checkpoints are wanted at all."""
        return self._folder is not None

    def due(self) -> bool:
        """Return whether the next checkpoint is due."""
        return self.kept and time.monotonic() - self._last >= self._seconds

    def write(self, state: State) -> None:
        """Replace the last state; nothing where none is kept.

        Raises `OutputError` where the folder cannot be written.
        """
        folder = self._folder
        if folder is None:
            return
        before = self._files()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with scratch.folder(folder.parent) as partial:
                file = partial / "checkpoint.pt"
                torch.save(state, file)
                written = folder / _name(folder, file)
                file.replace(written)
            for old in before:
                if old != written:
                    old.unlink(missing_ok=True)
        except (OSError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and not scratch.full(error):
                raise
            reason = getattr(error, "strerror", None) or "the disk is full"
            raise OutputError(
                f"Cannot write the checkpoint in {folder} ({reason}). "
                "Free some space there, or set EDGEKIT_CACHE to another folder."
            ) from error
        self._last = time.monotonic()

    def read(self) -> State | None:
        """The last state, or `None` where none is whole; a warning is logged."""
        for file in self._files():
            with suppress(*_UNREADABLE):
                if file.name == _name(file.parent, file):
                    state: State = torch.load(
                        file, map_location="cpu", weights_only=True
                    )
                    return state
            store.remade(file, "not what was written")
            file.unlink(missing_ok=True)
        return None

    def remove(self) -> None:
        """Remove all checkpoints."""
        for file in self._files():
            file.unlink(missing_ok=True)
        if self._folder is not None:
            with suppress(OSError):  # whoever else has a file there keeps the folder
                self._folder.rmdir()

    def _files(self) -> list[Path]:
        """The newest first; there are two where a process ended before it removed the older."""
        if self._folder is None or not self._folder.is_dir():
            return []
        found = self._folder.glob(_PATTERN)
        return sorted(found, key=lambda file: file.stat().st_mtime_ns, reverse=True)


def _name(folder: Path, file: Path) -> str:
    """The name of a state in `folder`, by its content."""
    return _PATTERN.replace("*", store.key(folder.name, store.digest(file)))


def on_cpu(value: Any) -> Any:
    """Nested dicts and lists with a copy of every tensor, whole and on the CPU."""
    if isinstance(value, Tensor):
        return whole(value)
    if isinstance(value, dict):
        return {key: on_cpu(item) for key, item in value.items()}
    return [on_cpu(item) for item in value] if isinstance(value, list) else value
