"""Images that are read at another size than they are stored in."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from PIL import Image

from edgekit.data.preprocess import Array
from edgekit.data.samples import Images, Indices, Samples

_FILTERS = {each.name.lower(): each for each in Image.Resampling}


@dataclass(frozen=True, kw_only=True, eq=False)
class Resized:
    """Arrays (n, channels, height, width) at another size, by Pillow as images from files are."""

    samples: Samples
    size: tuple[int, int]
    filter: str
    """Of Pillow, as `[data.preprocess] resize` names it."""

    def __len__(self) -> int:
        return len(self.samples)

    def raw(self, indices: Indices) -> Array:
        """Raw samples (n, channels, *size) at `indices`, in the dtype they are stored in."""
        values = self.samples.raw(indices)
        found = np.empty((*values.shape[:2], *self.size), values.dtype)
        # Other processes read samples, too: Pillow has no threads that a fork would lose.
        for maps, results in zip(values, found, strict=True):
            for one, result in zip(maps, results, strict=True):
                result[:] = _resized(one, self.size, _FILTERS[self.filter])
        return found

    def digest(self) -> bytes:
        """SHA-256 of the samples and the size."""
        how = f"{self.size}{self.filter}".encode()
        return hashlib.sha256(how + self.samples.digest()).digest()

    @property
    def by_workers(self) -> bool:
        """Return whether reading the stored samples takes long."""
        return self.samples.by_workers

    def title(self, index: int) -> str:
        """The stored sample's name."""
        return self.samples.title(index)


def resized(samples: Samples, size: tuple[int, int], how: str) -> Samples:
    """Samples of images at another (height, width): files are decoded to it."""
    if isinstance(samples, Images):
        return samples.at_size(size)
    return Resized(samples=samples, size=size, filter=how)


def _resized(values: Array, size: tuple[int, int], how: Image.Resampling) -> Array:
    height, width = size
    plain = values if values.dtype == np.uint8 else values.astype(np.float32)
    found = np.asarray(Image.fromarray(plain).resize((width, height), how))
    return np.rint(found) if values.dtype.kind in "ui" else found
