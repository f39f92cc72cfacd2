"""From a recording to the network's input: mel levels, cepstral coefficients or the wave itself.

In NumPy alone, for training and the device alike. `how` is the `audio` of a manifest's
`preprocessing`. Bands are triangles on HTK's mel scale over the power spectrum of periodic Hann
windows, levels are decibels (10 log10, at least -100), coefficients their orthonormal cosine
transform: torchaudio's MelSpectrogram, AmplitudeToDB and MFCC with `center=False`.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
How = Mapping[str, Any]
_LEAST = 1e-10
"""The least power of a band."""
_DEEPEST = 4
"""Bytes of a sample."""


def features(samples: Array, how: How, shape: Sequence[int]) -> Array:
    """The input (*shape) in float32, of mono samples from -1 to 1 at `how["rate"]`.

    A longer recording is cut off at its end, a shorter one is followed by silence.
    Raises `ValueError` for a shape that these features do not have.
    """
    length = length_of(how, shape)
    whole = np.zeros(length, np.float64)
    part = samples[:length]
    whole[: len(part)] = part
    if how["form"] == "wave":
        return whole.astype(np.float32).reshape(shape)
    found = levels(whole, how)
    if how["form"] == "mfcc":
        found = _cosines(how["coefficients"], how["bands"]) @ found
    bands_first = shape[-2] == len(found)
    return np.ascontiguousarray(found if bands_first else found.T, np.float32).reshape(
        shape
    )


def length_of(how: How, shape: Sequence[int]) -> int:
    """Number of samples that an input (*shape) is made of; raises `ValueError`."""
    sizes = [size for size in shape[:-2] if size != 1] + list(shape[-2:])
    if how["form"] == "wave":
        flat = [size for size in sizes if size != 1]
        if len(flat) > 1:
            raise ValueError(
                f"a wave is one row of samples, and the input is {list(shape)}"
            )
        return int(np.prod(shape))
    rows = how["coefficients"] if how["form"] == "mfcc" else how["bands"]
    if len(sizes) != 2 or rows not in sizes:
        raise ValueError(
            f"{how['form']} of {rows} rows is [{rows}, frames] or [frames, {rows}], and the input "
            f"is {list(shape)}"
        )
    frames = sizes[1] if sizes[0] == rows else sizes[0]
    return int(how["window"] + (frames - 1) * how["hop"])


def levels(samples: Array, how: How) -> Array:
    """Decibels (bands, frames) of each band."""
    window, hop = how["window"], how["hop"]
    size = 1 << (window - 1).bit_length()
    frames = np.lib.stride_tricks.sliding_window_view(samples, window)[::hop]
    power = np.abs(np.fft.rfft(frames * _hann(window), size)) ** 2
    highest = how.get("high_hz") or how["rate"] / 2
    bands = _bands(how["bands"], size, how["rate"], how["low_hz"], highest)
    return np.asarray(10 * np.log10(np.maximum(bands @ power.T, _LEAST)))


def read_wave(content: bytes) -> tuple[Array, int]:
    """Mono samples from -1 to 1 and their rate, of a `.wav` of whole numbers.

    Raises `ValueError` for what it does not read.
    """
    try:
        with wave.open(io.BytesIO(content)) as file:
            channels, width, rate = (
                file.getnchannels(),
                file.getsampwidth(),
                file.getframerate(),
            )
            raw = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(
            f"no .wav of whole numbers: {error or 'it ends early'}"
        ) from error
    if not 0 < width <= _DEEPEST or not channels or not rate:
        raise ValueError(f"{channels} channels of {width} bytes at {rate} Hz")
    raw = raw[: len(raw) // (width * channels) * width * channels]
    if width == 1:
        values = np.frombuffer(raw, np.uint8).astype(np.float64) - 128
    else:  # the bytes of a sample are its number's highest
        four = np.zeros((len(raw) // width, _DEEPEST), np.uint8)
        four[:, _DEEPEST - width :] = np.frombuffer(raw, np.uint8).reshape(-1, width)
        values = four.view("<i4")[:, 0].astype(np.float64) / 2.0 ** (
            8 * (_DEEPEST - width)
        )
    mono = values.reshape(-1, channels).mean(1) / 2.0 ** (8 * width - 1)
    return np.asarray(mono), rate


@lru_cache(maxsize=8)
def _hann(window: int) -> Array:
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window))


@lru_cache(maxsize=8)
def _bands(bands: int, size: int, rate: int, low: float, high: float) -> Array:
    """Triangles (bands, frequencies)."""
    edges = np.linspace(_mel(low), _mel(high), bands + 2)
    hertz = 700 * (10 ** (edges / 2595) - 1)
    frequencies = np.linspace(0, rate / 2, size // 2 + 1)
    left, center, right = hertz[:-2, None], hertz[1:-1, None], hertz[2:, None]
    up, down = (
        (frequencies - left) / (center - left),
        (right - frequencies) / (right - center),
    )
    return np.asarray(np.maximum(0, np.minimum(up, down)))


@lru_cache(maxsize=8)
def _cosines(coefficients: int, bands: int) -> Array:
    """The first rows of the orthonormal cosine transform (coefficients, bands)."""
    rows = np.arange(coefficients)[:, None]
    found = np.cos(np.pi / bands * (np.arange(bands) + 0.5) * rows) * np.sqrt(2 / bands)
    found[0] /= np.sqrt(2)
    return np.asarray(found)


def _mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))
