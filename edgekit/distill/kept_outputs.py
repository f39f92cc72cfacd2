"""A teacher's outputs by sample, in shards: files that one process each writes as a whole."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from edgekit import scratch, store

CHUNK = 256
"""Samples that are computed together: a shard has a multiple of them."""
DISK_FRACTION = 0.5
"""Fraction of the free disk that kept outputs may take."""
_MEMORY = 1 << 30
"""Bytes of outputs kept in memory where there is no folder for them."""
_SHARDS = 64
"""At most: each is an open file in every process."""
_DIGEST_BYTES = hashlib.sha256().digest_size
_Values = np.ndarray[Any, Any]


class KeptOutputs:
    """Outputs of `count` samples, each like those of `example` (1, ...), in `folder` or in memory.

    A shard is the float32 values of consecutive samples, and a digest over them, its number and
    the folder's name. It appears whole, by a rename: machines that share the folder write no file
    together. One that was damaged is computed again. Shards always hold the same samples, so that
    values do not depend on the number of processes.
    """

    def __init__(self, folder: Path | None, count: int, example: Tensor) -> None:
        self._folder, self._count = folder, count
        self._row = tuple(example.shape[1:])
        chunks = -(-count // CHUNK)
        self._size = CHUNK * -(-chunks // _SHARDS)
        self._shards: list[_Values | None] = [None] * -(-count // self._size)

    def missing(self) -> list[int]:
        """Numbers of the shards that nobody has computed."""
        for number, shard in enumerate(self._shards):
            if shard is None and self._folder is not None:
                self._shards[number] = self._read(self._folder, number)
        return [number for number, shard in enumerate(self._shards) if shard is None]

    def samples(self, number: int) -> Tensor:
        """Indices (n,) of the samples of a shard."""
        start = number * self._size
        return torch.arange(start, min(self._count, start + self._size))

    def keep(self, number: int, outputs: Tensor) -> None:
        """Store the outputs (n, ...) of a whole shard.

        Raises `OutputError` where the folder cannot be written.
        """
        values, folder = outputs.detach().float().cpu().numpy(), self._folder
        if folder is None:
            self._shards[number] = values
            return
        with store.writing(folder, "the teacher's outputs"):
            folder.mkdir(parents=True, exist_ok=True)
            whole = scratch.replacing(self._path(folder, number), folder)
            with whole as partial, partial.open("wb") as file:
                file.write(np.ascontiguousarray(values).data)
                file.write(_digest(folder, number, values))
        self._shards[number] = self._mapped(folder, number)

    def take(self, indices: Tensor) -> Tensor:
        """Stored outputs (n, ...) at `indices` (n,); raises `ValueError` for missing ones."""
        rows = indices.numpy()
        shards = rows // self._size
        taken = np.empty((len(rows), *self._row), np.float32)
        for number in np.unique(shards).tolist():
            shard, at = self._shards[number], shards == number
            if shard is None:
                raise ValueError(f"Shard {number} of the outputs is missing.")
            taken[at] = shard[rows[at] - number * self._size]
        return torch.from_numpy(taken)

    def _path(self, folder: Path, number: int) -> Path:
        return folder / f"shard-{number:02}-of-{len(self._shards):02}.f32"

    def _read(self, folder: Path, number: int) -> _Values | None:
        """A shard as somebody has written it; `None` where nobody has."""
        path = self._path(folder, number)
        row_bytes = 4 * int(np.prod(self._row, dtype=np.int64))
        size = len(self.samples(number)) * row_bytes
        try:
            if path.stat().st_size == size + _DIGEST_BYTES:
                found = self._mapped(folder, number)
                with path.open("rb") as file:
                    file.seek(size)
                    if file.read() == _digest(folder, number, found):
                        return found
        except FileNotFoundError:
            return None
        store.remade(path, "not what was written")
        path.unlink(missing_ok=True)
        return None

    def _mapped(self, folder: Path, number: int) -> _Values:
        shape = (len(self.samples(number)), *self._row)
        return np.memmap(self._path(folder, number), "float32", "r", shape=shape)


def _digest(folder: Path, number: int, values: _Values) -> bytes:
    content = hashlib.sha256(f"{folder.name} {number} ".encode())
    content.update(np.ascontiguousarray(values).data)
    return content.digest()


def fits(folder: Path | None, count: int, example: Tensor) -> bool:
    """Return whether there is room for `count` answers like those of `example`."""
    size = count * example[0].numel() * 4
    if folder is None:
        return size <= _MEMORY
    with store.writing(folder, "the teacher's outputs"):
        folder.mkdir(parents=True, exist_ok=True)
    return size <= DISK_FRACTION * shutil.disk_usage(folder).free
