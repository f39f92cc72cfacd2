"""Where raw samples come from: an array, encoded images, or a sequence of the user's."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgekit.agent.serving.decode import pixels
from edgekit.data.preprocess import Array
from edgekit.errors import DataError
from edgekit.safe_io import reading, reason

Indices = NDArray[np.int64]

MEMORY = 1 << 30
"""Bytes of decoded samples that are kept in memory; a larger set is decoded when asked for."""
_WHOLE_FILES = 1 << 29
"""Bytes up to which a fingerprint reads whole files; beyond, the beginning of each."""
_BEGINNING = 1 << 12
_THREADS = 8
_LARGE = 1 << 14
"""Encoded bytes from which threads decode images faster than one does: a 32x32 JPEG spends its
time in Python, and eight threads take three times as long as one."""


class Samples(Protocol):
    """Raw samples by number, before preprocessing."""

    def __len__(self) -> int: ...

    def raw(self, indices: Indices) -> Array:
        """Samples (n, *shape) in the dtype they are stored in."""

    def digest(self) -> bytes:
        """A hash of the content."""


def as_numpy(value: Any) -> Array:
    """A tensor, array or nested list as an array."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    values: Array = np.asarray(value)
    return values


@dataclass(frozen=True, kw_only=True, eq=False)
class InMemory:
    """An array (n, *shape)."""

    values: Array

    def __len__(self) -> int:
        return len(self.values)

    def raw(self, indices: Indices) -> Array:
        """Raw samples (n, ...) at `indices`."""
        values: Array = self.values[indices]
        return values

    def digest(self) -> bytes:
        """SHA-256 of dtype, shape and values."""
        header = f"{self.values.dtype}{self.values.shape}".encode()
        return hashlib.sha256(header + _bytes_hash(self.values)).digest()


@dataclass(frozen=True, kw_only=True)
class ImageForm:
    """Form of an image as it is stored: Pillow's mode, and (height, width)."""

    mode: str
    size: tuple[int, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class Images:
    """Encoded images, decoded once to uint8 (n, channels, height, width) where that fits."""

    sources: Sequence[Path | bytes]
    names: Sequence[str]
    """Names of images in errors."""
    shape: tuple[int, int, int]
    color: str
    resize: str
    fit: str = "stretch"
    _decoded: list[NDArray[np.uint8]] = field(default_factory=list)
    _forms: list[ImageForm] = field(default_factory=list)
    _faults: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.sources)

    def faults(self) -> list[tuple[str, str]]:
        """Name and reason of every image that cannot be read, in order.

        Of a set too large for memory only headers are read.
        """
        if self._small:
            with suppress(DataError):
                self.raw(np.arange(0))
        else:
            for source, name in zip(self.sources, self.names, strict=True):
                with self._noted(name), _opened(source):
                    pass
        return [
            (name, self._faults[name]) for name in self.names if name in self._faults
        ]

    def forms(self) -> Counter[ImageForm]:
        """Number of images in each form, of those that were read."""
        return Counter(self._forms)

    @property
    def _small(self) -> bool:
        return len(self) * int(np.prod(self.shape)) <= MEMORY

    def raw(self, indices: Indices) -> Array:
        """Decoded images (n, channels, height, width) at `indices`; raises `DataError`."""
        if not self._small:
            return self._decode(indices)
        if not self._decoded:
            self._decoded.append(self._decode(np.arange(len(self))))
        return self._decoded[0][indices]

    def digest(self) -> bytes:
        """SHA-256 of the files, or of their names and sizes where they are large."""
        whole = sum(map(_size, self.sources)) <= _WHOLE_FILES
        together = hashlib.sha256(
            f"{self.shape}{self.color}{self.resize}{self.fit}".encode()
        )
        for source in self.sources:
            together.update(_content_hash(source, whole))
        return together.digest()

    def _decode(self, indices: Indices) -> NDArray[np.uint8]:
        result = np.empty((len(indices), *self.shape), np.uint8)

        def place(position: int) -> None:
            index = int(indices[position])
            with self._noted(self.names[index]):
                result[position] = self._one(self.sources[index])

        few = [self.sources[int(i)] for i in indices[:: max(1, len(indices) // 16)]]
        if sum(map(_size, few)) < _LARGE * max(1, len(few)):
            for position in range(len(indices)):
                place(position)
        else:
            with ThreadPoolExecutor(_THREADS) as pool:
                for _ in pool.map(place, range(len(indices))):
                    pass
        for name, fault in self._faults.items():
            raise DataError(
                f"Cannot read the image {name} ({fault}). Replace or remove it."
            )
        return result

    @contextmanager
    def _noted(self, name: str) -> Iterator[None]:
        """Note why an image cannot be read, so that the others are looked at, too."""
        try:
            with reading(name, DataError):
                yield
        except DataError as error:
            self._faults[name] = reason(error.__cause__ or error)

    def _one(self, source: Path | bytes) -> NDArray[np.uint8]:
        with _opened(source) as image:
            self._forms.append(ImageForm(mode=image.mode, size=image.size[::-1]))
            return pixels(image, self.shape, self.color, self.resize, self.fit)


@dataclass(frozen=True, kw_only=True, eq=False)
class Indexed:
    """A sequence too large for memory, asked for one sample at a time."""

    get: Callable[[int], Array]
    length: int
    identity: bytes
    """Identity of the sequence, as its content is not read."""

    def __len__(self) -> int:
        return self.length

    def raw(self, indices: Indices) -> Array:
        """Raw samples (n, ...) at `indices`, read one by one."""
        return np.stack([self.get(int(index)) for index in indices])

    def digest(self) -> bytes:
        """SHA-256 of a few samples and the sequence's identity."""
        few = np.unique(np.linspace(0, self.length - 1, 16).astype(np.int64))
        return hashlib.sha256(self.identity + _bytes_hash(self.raw(few))).digest()


def _opened(source: Path | bytes) -> Image.Image:
    return Image.open(source if isinstance(source, Path) else io.BytesIO(source))


def _bytes_hash(values: Array) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(values).view(np.uint8).data).digest()


def _size(source: Path | bytes) -> int:
    return source.stat().st_size if isinstance(source, Path) else len(source)


def _content_hash(source: Path | bytes, whole: bool) -> bytes:
    if isinstance(source, bytes):
        return hashlib.sha256(source).digest()
    with source.open("rb") as file:
        content = file.read() if whole else file.read(_BEGINNING)
    return hashlib.sha256(f"{source.stat().st_size}".encode() + content).digest()
