"""Inputs of the right kind for MLPerf Tiny's networks whose data sets are not free to copy.

Sounds are synthesized: syllables of a pulse train or noise through three resonances, and machines
that hum, beat and hiss. Features are taken as MLPerf Tiny's training scripts take them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from scipy.fft import dct, irfft, rfftfreq
from torch.nn import functional as F

Array = np.ndarray[Any, Any]

RATE_HZ = 16_000
SECOND = np.arange(RATE_HZ) / RATE_HZ
FORMANTS_HZ = ((270, 2290, 3010), (390, 1990, 2550), (530, 1840, 2480), (660, 1720, 2410),
               (730, 1090, 2440), (570, 840, 2410), (440, 1020, 2240), (300, 870, 2240),
               (640, 1190, 2390), (490, 1350, 1690))  # fmt: skip
"""Vowels of American men: Peterson and Barney, 1952."""
GLIDE, HARMONICS = 16, 24
"""Places at which resonances are taken, and multiples of the pitch beside it."""
WORD_FRAMES, COEFFICIENTS = 49, 10
MACHINE_FRAMES, MACHINE_BANDS = 5, 128


def words(count: int, seed: int) -> Array:
    """MFCCs (count, 1, 49, 10) of a second of syllables each.

    Frames of 30 ms every 20 ms, 40 mel bands from 20 to 4000 Hz; silence is -123.6 in the first
    coefficient, which is where the input range of MLPerf's int8 file begins.
    """
    draw = np.random.default_rng(seed)
    bands = mel_bands(40, 512, 20.0, 4000.0)
    window = np.hanning(481)[:-1]
    starts = np.arange(WORD_FRAMES)[:, None] * 320 + np.arange(480)
    rows = []
    for _ in range(count):
        sound = _word(draw)
        spectrum = np.abs(np.fft.rfft(sound[starts] * window, 512))
        levels = np.log(spectrum @ bands.T + 1e-6)
        rows.append(dct(levels, type=2)[:, :COEFFICIENTS] / np.sqrt(2 * 40))
    return np.stack(rows)[:, None].astype(np.float32)


def _word(draw: np.random.Generator) -> Array:
    """A second of one to three syllables, full scale at its loudest, with noise behind it."""
    sound = np.zeros(RATE_HZ)
    place = int(draw.uniform(0.05, 0.35) * RATE_HZ)
    for _ in range(draw.integers(1, 4)):
        syllable = _syllable(draw)
        end = min(RATE_HZ, place + len(syllable))
        sound[place:end] += syllable[: end - place]
        place = int(place + draw.uniform(0.6, 1.1) * len(syllable))
        if place >= RATE_HZ:
            break
    sound /= np.abs(sound).max() + 1e-9
    noise = colored(draw, RATE_HZ, draw.uniform(0, 1))
    sound += noise * 10 ** draw.uniform(-5, -2.5) / np.abs(noise).max()
    return sound / np.abs(sound).max()


def _syllable(draw: np.random.Generator) -> Array:
    """A voiced or whispered glide between two vowels, with a hiss at an end or at none."""
    count = int(draw.uniform(0.12, 0.4) * RATE_HZ)
    time = np.arange(count) / RATE_HZ
    first, last = (np.array(FORMANTS_HZ[i]) for i in draw.integers(0, 10, 2))
    size = draw.uniform(0.9, 1.3)
    pitch = draw.uniform(85, 260) * (1 + draw.uniform(-0.2, 0.2) * time / time[-1])
    phase = 2 * np.pi * np.cumsum(pitch) / RATE_HZ
    voice, tilt = np.zeros(count), draw.uniform(1, 2)
    center = size * (first + (last - first) * np.linspace(0, 1, GLIDE)[:, None])
    some = np.linspace(0, count - 1, GLIDE).astype(int)
    for number in range(1, HARMONICS):
        apart = (number * pitch[some, None] - center) / (60 + center / 20)
        gain = np.interp(np.arange(count), some, (1 / (1 + apart**2)).sum(1))
        voice += gain * np.sin(number * phase) / number**tilt
    voice *= np.sin(np.pi * (time / time[-1]) ** draw.uniform(0.4, 1)) ** 0.5
    hiss = colored(draw, count, draw.uniform(-1, 0.3))
    hiss /= np.abs(hiss).max()
    length = draw.uniform(0.05, 0.3) * count
    edge = np.exp(-np.arange(count) / length)
    loud = draw.choice([0.0, 0.2, 0.6]) * np.abs(voice).max()
    return voice + loud * hiss * (edge if draw.random() < 0.5 else edge[::-1])


def machines(count: int, seed: int) -> Array:
    """Log-mel levels in dB (count, 640) of five frames of a machine's noise each.

    128 mel bands to 8 kHz, frames of 64 ms every 32 ms, as ToyADMOS's baseline takes them: ten
    sections of each of `count / 10` machines.
    """
    draw = np.random.default_rng(seed)
    bands = mel_bands(MACHINE_BANDS, 1024, 0.0, 8000.0)
    window = np.hanning(1025)[:-1]
    sections = 10
    rows: list[Array] = []
    starts = np.arange(sections + MACHINE_FRAMES - 1)[:, None] * 512 + np.arange(1024)
    while len(rows) < count:
        spectrum = np.abs(np.fft.rfft(machine(draw)[starts] * window, 1024)) ** 2
        levels = 10 * np.log10(np.maximum(spectrum @ bands.T, 1e-12))
        rows += [
            levels[first : first + MACHINE_FRAMES].reshape(-1)
            for first in range(sections)
        ]
    return np.stack(rows[:count]).astype(np.float32)


def machine(draw: np.random.Generator) -> Array:
    """A second of a small motor: harmonics of its speed, a beat, and a colored hiss."""
    speed = draw.uniform(20, 120)
    wobble = 1 + draw.uniform(0, 0.02) * np.sin(
        2 * np.pi * draw.uniform(1, 6) * SECOND + draw.uniform(0, 6)
    )
    phase = 2 * np.pi * speed * np.cumsum(wobble) / RATE_HZ
    hum = np.sum(
        [
            draw.random() / n ** draw.uniform(0.3, 1) * np.sin(n * phase)
            for n in range(1, 60)
        ],
        0,
    )
    beat = 1 + draw.uniform(0, 0.8) * np.sin(phase / draw.integers(2, 8))
    hiss = colored(draw, RATE_HZ, draw.uniform(0, 1))
    hiss /= hiss.std()
    return hum / hum.std() * draw.uniform(0.1, 1) + hiss * beat * draw.uniform(0.1, 1)


def colored(draw: np.random.Generator, count: int, slope: float) -> Array:
    """Noise whose amplitude falls as frequency to the power of `slope`."""
    frequency = np.maximum(rfftfreq(count, 1 / RATE_HZ), 20.0)
    waves = draw.standard_normal((len(frequency), 2)).view(complex)[:, 0]
    noise: Array = irfft(waves * frequency**-slope, count)
    return noise


def mel_bands(count: int, size: int, low_hz: float, high_hz: float) -> Array:
    """Triangles of equal width in mel (HTK's), (count, size / 2 + 1)."""
    edges = 700 * (np.exp(np.linspace(*_mel(low_hz, high_hz), count + 2)) - 1)
    bins = rfftfreq(size, 1 / RATE_HZ)
    rising = (_log(bins)[None] - _log(edges[:-2, None])) / np.diff(_log(edges))[0]
    falling = (_log(edges[2:, None]) - _log(bins)[None]) / np.diff(_log(edges))[0]
    return np.maximum(0, np.minimum(rising, falling))


def _mel(low_hz: float, high_hz: float) -> tuple[float, float]:
    return float(_log(np.array(low_hz))), float(_log(np.array(high_hz)))


def _log(hz: Array) -> Array:
    return np.log1p(hz / 700)


@dataclass(frozen=True, kw_only=True)
class Crops:
    """Squares of images, mirrored or not, with a contrast of their own: a column each."""

    image: Array
    top: Array
    left: Array
    side: Array
    mirrored: Array
    contrast: Array

    @classmethod
    def drawn(cls, images: int, side: int, count: int, seed: int) -> Crops:
        """`count` squares of a third of the `side` or more."""
        draw = np.random.default_rng(seed)
        part = draw.integers(side // 3, side + 1, count)
        return cls(
            image=draw.integers(0, images, count),
            top=(draw.random(count) * (side - part + 1)).astype(int),
            left=(draw.random(count) * (side - part + 1)).astype(int),
            side=part,
            mirrored=draw.random(count) < 0.5,
            contrast=draw.uniform(0.7, 1.3, count),
        )

    def moved(self, side: int, seed: int) -> Crops:
        """Each moved by some pixels, a little larger or smaller, and of another contrast."""
        draw = np.random.default_rng(seed)
        step = partial(draw.integers, -2, 3, len(self.image))
        part = (self.side + step()).clip(side // 3, side)
        return Crops(
            image=self.image,
            top=(self.top + step()).clip(0, side - part),
            left=(self.left + step()).clip(0, side - part),
            side=part,
            mirrored=self.mirrored ^ (draw.random(len(part)) < 0.2),
            contrast=self.contrast * draw.uniform(0.85, 1.15, len(part)),
        )

    def __getitem__(self, chosen: Array) -> Crops:
        return Crops(**{name: column[chosen] for name, column in vars(self).items()})

    def pixels(self, images: Array, size: int) -> Array:
        """Crops of images (n, 3, h, w) from 0 to 1 as (count, 3, size, size) from 0 to 1."""
        columns = zip(*vars(self).values(), strict=True)
        return np.stack([_enlarged(images, size, *column) for column in columns])


def _enlarged(  # noqa: PLR0913 - the columns of `Crops`
    images: Array,
    size: int,
    image: int,
    top: int,
    left: int,
    side: int,
    mirrored: bool,
    contrast: float,
) -> Array:
    crop = images[image, :, top : top + side, left : left + side]
    crop = crop[:, :, ::-1].copy() if mirrored else crop
    tensor = torch.from_numpy(0.5 + contrast * (crop - 0.5)).float()[None]
    grown = F.interpolate(tensor, size=(size, size), mode="bicubic")
    pixels: Array = grown[0].clamp(0, 1).numpy()
    return pixels
