"""Recordings: folders with one subfolder a class, or encoded ones in tables and shards.

`.wav` of whole numbers are read by Python itself, others by soundfile where it is installed. Other
rates than `[data.preprocess.audio] rate` are resampled here; a device refuses them.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.agent.serving import sound
from edgekit.data.class_folders import labeled_files
from edgekit.data.dataset import Dataset
from edgekit.data.faults import Faults
from edgekit.data.memory import KeptIfTheyFit
from edgekit.data.preprocess import Array
from edgekit.data.request import Request, RequestedInput
from edgekit.data.samples import Files, Indices, Source, digest_of
from edgekit.errors import DataError
from edgekit.safe_io import read_bytes, reading
from edgekit.types import AudioSpec

SUFFIXES = frozenset((".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".opus"))
_RIFF = b"RIFF"
_BYTES = 1 << 28


def recordings_in(path: Path) -> bool:
    """Return whether a folder, or one in it, has recordings."""
    return any(
        p.suffix.lower() in SUFFIXES for each in ("*", "*/*") for p in path.glob(each)
    )


def load(path: Path, request: Request) -> Dataset:
    """The recordings of every class subfolder, in the order of names; or those in `path` itself.

    Raises `DataError` that names all recordings of a set in memory which cannot be read; those of
    a larger one are looked at when they are read.
    """
    (one,) = request.inputs
    how = one.preprocess.audio
    if how is None:
        raise DataError(
            f"{path} has recordings. Describe their features: "
            '[data.preprocess.audio] form = "log-mel", with rate, window, hop and bands as in '
            "its training."
        )
    files, labels = labeled_files(path, SUFFIXES, "recordings", request)
    if not files:
        raise DataError(f"No recordings in {path} ({', '.join(sorted(SUFFIXES))}).")
    names = [str(file) for file in files]
    samples = of_sources(Files(names=names), names, one)
    y = None if labels is None else np.array(labels)
    return request.labeled([samples], y, str(path))


def of_sources(
    encoded: Sequence[Source], names: Sequence[str], one: RequestedInput
) -> Recordings:
    """Encoded recordings as raw samples of an input, read where they are kept in memory; `names`
    are for errors. Raises `DataError`."""
    samples = Recordings(
        sources=encoded,
        names=names,
        how=one.preprocess.audio or AudioSpec(),
        shape=one.spec.shape,
    )
    samples.check()
    return samples


@dataclass(frozen=True, kw_only=True, eq=False)
class Recordings(KeptIfTheyFit):
    """Recordings as the features that a network takes, kept where they fit in memory."""

    sources: Sequence[Source]
    names: Sequence[str]
    how: AudioSpec
    shape: tuple[int, ...]
    _read: list[Array] = field(default_factory=list)
    value_bytes = np.dtype(np.float32).itemsize

    def __len__(self) -> int:
        return len(self.sources)

    @cached_property
    def waves(self) -> Recordings:
        """The same recordings as samples from -1 to 1, as many as their features are made of."""
        length = sound.length_of(asdict(self.how), self.shape)
        how = replace(self.how, form="wave")
        found = replace(self, how=how, shape=(length,), _read=[])
        found.check()
        return found

    def check(self) -> None:
        """Read all recordings that are kept; raises `DataError` that names those that it cannot."""
        if not self._kept:
            return
        faults, found = Faults(), np.zeros((len(self), *self.shape), np.float32)
        for index in range(len(self)):
            with faults.of(Path(self.names[index]).name):
                found[index] = self._one(index)
        faults.refuse("recordings")
        self._read.append(found)

    def raw(self, indices: Indices) -> Array:
        """Features (n, *shape) float32 at `indices`; raises `DataError`."""
        if self._read:
            found: Array = self._read[0][indices]
            return found
        return np.stack([self._one(int(index)) for index in indices])

    def title(self, index: int) -> str:
        """The recording's path."""
        return f"the recording {self.names[index]}"

    def digest(self) -> bytes:
        """SHA-256 of the files, or of their names and sizes where they are large."""
        how = f"{self.shape}{sorted(asdict(self.how).items())}".encode()
        return hashlib.sha256(how + digest_of(self.sources)).digest()

    def _one(self, index: int) -> Array:
        source, name = self.sources[index], self.names[index]
        samples, rate = read(_content(source), name)
        with reading(name, DataError, kind="a recording"):
            if rate != self.how.rate:
                samples = resampled(samples, rate, self.how.rate)
            return sound.features(samples, asdict(self.how), self.shape)


def read(content: bytes, name: str) -> tuple[Array, int]:
    """Mono samples from -1 to 1 and their rate; raises `DataError` for what cannot be read."""
    fix = "Replace or remove it."
    soundfile = _soundfile()
    if soundfile is None and not content.startswith(_RIFF):
        raise DataError(
            f"Cannot read {name} without soundfile: pip install soundfile, or give .wav of whole "
            "numbers."
        )
    with reading(name, DataError, kind="a recording", fix=fix):
        try:
            return sound.read_wave(content)
        except ValueError:
            if soundfile is None:
                raise
        samples, rate = soundfile.read(io.BytesIO(content), always_2d=True)
        return samples.mean(1), int(rate)


def _content(source: Source) -> bytes:
    if isinstance(source, Path):
        return read_bytes(source, DataError, limit=_BYTES)
    return source if isinstance(source, bytes) else source.read()


def resampled(samples: Array, rate: int, other: int) -> Array:
    """Samples at another rate, by SciPy's polyphase filter."""
    from scipy.signal import resample_poly

    shared = math.gcd(rate, other)
    found: Array = resample_poly(samples, other // shared, rate // shared)
    return found


def _soundfile() -> Any:
    """The library, `None` where it is not installed."""
    try:
        import soundfile
    except ImportError:
        return None
    return soundfile
