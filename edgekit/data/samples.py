"""Where raw samples come from: an array, encoded images, or a sequence of the user's."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgekit.agent.serving.decode import pixels
from edgekit.data.memory import KeptIfTheyFit
from edgekit.data.preprocess import Array
from edgekit.data.shareable import is_shareable
from edgekit.errors import DataError
from edgekit.safe_io import reading, reason

Indices = NDArray[np.int64]

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

    @property
    def by_workers(self) -> bool:
        """Return whether reading takes so long that other processes should do it."""

    def title(self, index: int) -> str:
        """The name of a sample in errors."""


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

    @property
    def by_workers(self) -> bool:
        """Always false: they are in memory."""
        return False

    def title(self, index: int) -> str:
        """The sample's number."""
        return f"sample {index}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A part of a file, such as a member of an archive."""

    file: Path
    offset: int
    size: int

    def read(self, most: int | None = None) -> bytes:
        """The content, or its first `most` bytes; raises `OSError`."""
        with self.file.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size if most is None else min(most, self.size))


@dataclass(frozen=True, kw_only=True, eq=False)
class Files(Sequence[Path]):
    """Paths by their names: kept as text, they take a fourth of the memory."""

    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> Path: ...
    @overload
    def __getitem__(self, index: slice) -> Files: ...
    def __getitem__(self, index: int | slice) -> Path | Files:
        if isinstance(index, slice):
            return Files(names=self.names[index])
        return Path(self.names[index])


Source = Path | bytes | Span
"""An encoded image."""


@dataclass(frozen=True, kw_only=True)
class ImageForm:
    """Form of an image as it is stored: Pillow's mode, and (height, width)."""

    mode: str
    size: tuple[int, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class Images(KeptIfTheyFit):
    """Encoded images, decoded once to uint8 (n, channels, height, width) where that fits."""

    sources: Sequence[Source]
    names: Sequence[str]
    """Names of images in errors."""
    shape: tuple[int, int, int]
    color: str
    resize: str
    fit: str = "stretch"
    _decoded: list[NDArray[np.uint8]] = field(default_factory=list)
    _forms: Counter[ImageForm] = field(default_factory=Counter)
    _faults: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.sources)

    def faults(self) -> list[tuple[str, str]]:
        """Name and reason of every image that cannot be read, in order.

        Of a set too large for memory only headers are read.
        """
        if self._kept:
            with suppress(DataError):
                self.raw(np.arange(0))
        else:
            for source, name in zip(self.sources, self.names, strict=True):
                with self._noted(name), _opened(source) as image:
                    self._count(image)
        return [
            (name, self._faults[name]) for name in self.names if name in self._faults
        ]

    def forms(self) -> Counter[ImageForm]:
        """Number of images in each form, of those that `faults` or memory has."""
        return self._forms

    def title(self, index: int) -> str:
        """The image's name."""
        return f"the image {self.names[index]}"

    def raw(self, indices: Indices) -> Array:
        """Decoded images (n, channels, height, width) at `indices`; raises `DataError`."""
        if not self._kept:
            return self._decode(indices)
        if not self._decoded:
            self._decoded.append(self._decode(np.arange(len(self))))
        return self._decoded[0][indices]

    def at_size(self, size: tuple[int, int]) -> Images:
        """The same files decoded to another (height, width)."""
        return Images(
            sources=self.sources,
            names=self.names,
            shape=(self.shape[0], *size),
            color=self.color,
            resize=self.resize,
            fit=self.fit,
        )

    def digest(self) -> bytes:
        """SHA-256 of the files, or of their names and sizes where they are large."""
        return self._digest

    @cached_property
    def _digest(self) -> bytes:
        how = f"{self.shape}{self.color}{self.resize}{self.fit}".encode()
        return hashlib.sha256(how + digest_of(self.sources)).digest()

    def _decode(self, indices: Indices) -> NDArray[np.uint8]:
        result = np.empty((len(indices), *self.shape), np.uint8)

        def place(position: int) -> None:
            index = int(indices[position])
            with self._noted(self.names[index]):
                result[position] = self._one(self.sources[index])

        few = [self.sources[int(i)] for i in indices[:: max(1, len(indices) // 16)]]
        if len(few) < 2 or sum(map(_size, few)) < _LARGE * len(few):
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

    def _one(self, source: Source) -> NDArray[np.uint8]:
        with _opened(source) as image:
            if self._kept:
                self._count(image)
            return pixels(image, self.shape, self.color, self.resize, self.fit)

    def _count(self, image: Image.Image) -> None:
        self._forms[ImageForm(mode=image.mode, size=image.size[::-1])] += 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Indexed:
    """A sequence too large for memory, asked for one sample at a time."""

    get: Callable[[int], Array]
    length: int
    identity: bytes
    """Identity of the sequence, as its content is not read."""
    name: str = "the sequence"

    def __len__(self) -> int:
        return self.length

    def raw(self, indices: Indices) -> Array:
        """Raw samples (n, ...) at `indices`, read one by one."""
        return np.stack([self.get(int(index)) for index in indices])

    @cached_property
    def by_workers(self) -> bool:
        """Return whether the sequence can be read in several processes at once."""
        return is_shareable(self.get)

    def title(self, index: int) -> str:
        """The sample's number."""
        return f"sample {index} of {self.name}"

    def digest(self) -> bytes:
        """SHA-256 of a few samples and the sequence's identity."""
        few = np.unique(np.linspace(0, self.length - 1, 16).astype(np.int64))
        return hashlib.sha256(self.identity + _bytes_hash(self.raw(few))).digest()


def digest_of(sources: Sequence[Source]) -> bytes:
    """SHA-256 of files, or of each one's size and beginning where they are large together."""
    whole = sum(map(_size, sources)) <= _WHOLE_FILES
    together = hashlib.sha256()
    for source in sources:
        together.update(_content_hash(source, whole))
    return together.digest()


def _opened(source: Source) -> Image.Image:
    if isinstance(source, Path):
        return Image.open(source)
    return Image.open(
        io.BytesIO(source if isinstance(source, bytes) else source.read())
    )


def _bytes_hash(values: Array) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(values).view(np.uint8).data).digest()


def _size(source: Source) -> int:
    if isinstance(source, Path):
        return source.stat().st_size
    return len(source) if isinstance(source, bytes) else source.size


def _content_hash(source: Source, whole: bool) -> bytes:
    if isinstance(source, bytes):
        return hashlib.sha256(source).digest()
    size = _size(source)
    if isinstance(source, Path):
        source = Span(file=source, offset=0, size=size)
    content = source.read(None if whole else _BEGINNING)
    return hashlib.sha256(f"{size}".encode() + content).digest()
