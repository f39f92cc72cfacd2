"""Features of recordings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge

from edgekit.types.names import Count, Positive


@dataclass(frozen=True, kw_only=True)
class AudioSpec:
    """`[data.preprocess.audio]`: features of a recording, in training and on the device; scale,
    mean and std apply to them."""

    form: Literal["log-mel", "mfcc", "wave"] = "log-mel"
    """Decibels of mel bands, cepstral coefficients of these, or the samples from -1 to 1."""
    rate: Count = 16_000
    """Samples a second."""
    window: Count = 400
    """Samples of a frame; spectra are of the next power of two."""
    hop: Count = 160
    """Samples from frame to frame."""
    bands: Count = 40
    """Mel bands."""
    coefficients: Count = 13
    """Of `mfcc`, the first ones."""
    low_hz: Annotated[float, Ge(0)] = 0.0
    high_hz: Positive | None = None
    """Edges of the lowest and of the highest band; `None` is half of the rate."""
