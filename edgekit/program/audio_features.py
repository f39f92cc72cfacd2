"""Features of recordings as operators that every runtime has: a convolution with the windowed
basis of the Fourier transform, products with the bands, a logarithm.

The formulas are those of `edgekit.agent.serving.sound`, which stands alone on the device; tests
hold the two together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgekit.types import AudioSpec

_LEAST = 1e-10
"""The least power of a band."""


def length_of(how: AudioSpec, shape: Sequence[int]) -> int:
    """Number of samples of a recording whose features are an input (*shape)."""
    frames = shape[-1] if shape[-2] == _rows(how) else shape[-2]
    return how.window + (frames - 1) * how.hop


class AudioFeatures(nn.Module):
    """Samples from -1 to 1 (batch, length) to features (batch, *shape)."""

    basis: Tensor
    bands: Tensor
    cosines: Tensor

    def __init__(self, how: AudioSpec, shape: Sequence[int]) -> None:
        super().__init__()
        self.hop, self.shape = how.hop, tuple(shape)
        self.rows_first = shape[-2] == _rows(how)
        self.register_buffer("basis", _basis(how.window).float())
        self.register_buffer("bands", _bands(how).float())
        rows = _cosines(how) if how.form == "mfcc" else torch.eye(how.bands)
        self.register_buffer("cosines", rows.float())

    def forward(self, samples: Tensor) -> Tensor:
        """Features (batch, *shape) of samples (batch, length)."""
        spectrum = F.conv1d(samples.unsqueeze(1), self.basis, stride=self.hop)
        real, imaginary = spectrum.square().chunk(2, 1)
        power = torch.matmul(self.bands, real + imaginary)
        levels = power.clamp(min=_LEAST).log() * (10 / math.log(10))
        found = torch.matmul(self.cosines, levels)
        turned = found if self.rows_first else found.transpose(1, 2)
        return turned.reshape(-1, *self.shape)


def _rows(how: AudioSpec) -> int:
    return how.coefficients if how.form == "mfcc" else how.bands


def _size(window: int) -> int:
    """Length of the Fourier transform: the next power of two."""
    return 1 << (window - 1).bit_length()


def _basis(window: int) -> Tensor:
    """Cosines and sines under a periodic Hann window: (2 * frequencies, 1, window)."""
    time = torch.arange(window, dtype=torch.float64)
    hann = 0.5 - 0.5 * torch.cos(2 * math.pi * time / window)
    size = _size(window)
    frequency = torch.arange(size // 2 + 1, dtype=torch.float64)[:, None]
    angles = 2 * math.pi * frequency * time / size
    return (torch.cat([angles.cos(), angles.sin()]) * hann)[:, None]


def _bands(how: AudioSpec) -> Tensor:
    """Triangles on HTK's mel scale: (bands, frequencies)."""
    high = how.high_hz or how.rate / 2
    low, top = (2595 * math.log10(1 + end / 700) for end in (how.low_hz, high))
    edges = torch.linspace(low, top, how.bands + 2, dtype=torch.float64)
    hertz = 700 * (10 ** (edges / 2595) - 1)
    count = _size(how.window) // 2 + 1
    frequencies = torch.linspace(0, how.rate / 2, count, dtype=torch.float64)
    left, center, right = hertz[:-2, None], hertz[1:-1, None], hertz[2:, None]
    up = (frequencies - left) / (center - left)
    down = (right - frequencies) / (right - center)
    return torch.minimum(up, down).clamp(min=0)


def _cosines(how: AudioSpec) -> Tensor:
    """The first rows of the orthonormal cosine transform: (coefficients, bands)."""
    rows = torch.arange(how.coefficients, dtype=torch.float64)[:, None]
    places = torch.arange(how.bands, dtype=torch.float64) + 0.5
    found = torch.cos(math.pi / how.bands * places * rows) * math.sqrt(2 / how.bands)
    found[0] /= math.sqrt(2)
    return found
