"""Make train.npz and test.npz again: `python prepare.py`, with Debian's espeak-ng and flite.

Two speech synthesizers speak ten commands and twenty other words in many voices. Every voice
belongs either to training or to testing, and so does the chatter behind the words.
"""

from __future__ import annotations

import io
import subprocess
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.fft import irfft, rfft, rfftfreq
from scipy.signal import resample_poly, stft

HERE = Path(__file__).parent
SEED = 0
RATE_HZ = 16_000
HOP, WINDOW = 400, 640
"""Samples from frame to frame (25 ms) and within one (40 ms)."""
BANDS, FRAMES = 24, 40
LOWEST_HZ, HIGHEST_HZ = 80.0, 7600.0
FLOOR_DB, STEP_DB = -84.0, 4.0
"""A level is so many steps above the floor; full scale is 0 dB."""

COMMANDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
OTHERS = (
    *("bed", "bird", "cat", "dog", "eight", "five", "four", "happy", "house", "marvin"),
    *("nine", "one", "seven", "sheila", "six", "three", "tree", "two", "wow", "zero"),
)
CHATTER = (
    "the train to the north leaves from the second platform",
    "she put the letters on the table and closed the door",
    "we had bread and cheese and a long walk along the river",
    "nobody knew where the children had hidden the ladder",
)
ACCENTS = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-029", "en-us-nyc")
TRAIN_PER_CLASS, TEST_PER_CLASS = 230, 50

TRAIN_VARIANTS = (
    *("Alex", "Andrea", "Annie", "Denis", "Gene", "Henrique", "Hugo", "Lee", "Mario"),
    *("Michael", "Mr serious", "adam", "anika", "announcer", "antonio", "belinda"),
    *("boris", "caleb", "croak", "david", "edward", "f1", "f2", "f4", "f5", "grandma"),
    *("gustave", "iven", "iven3", "john", "klatt", "klatt3", "klatt5", "linda", "m1"),
    *("m2", "m4", "m5", "m7", "m8", "marcelo", "max", "miguel", "pablo", "paul"),
    *("pedro", "quincy", "rob", "robert", "sandro", "steph", "travis", "victor"),
)
TEST_VARIANTS = (
    *("Alicia", "Andy", "Diogo", "Jacky", "Marco", "Mike", "benjamin", "f3", "grandpa"),
    *("klatt2", "m3", "m6", "michel", "norbert", "shelby", "zac"),
)
TRAIN_FLITE, TEST_FLITE = ("awb", "rms", "slt"), ("kal16",)
"""Voices made of recordings of people; each is drawn more often than one of the others."""
FLITE_FRACTION = 0.1
STRETCH = 1.2
"""Largest shift of a training voice's pitch, up or down, as of taller and smaller people."""

Sound = np.ndarray
"""Samples from -1 to 1 at `RATE_HZ`."""


@dataclass(frozen=True)
class Voices:
    """The voices of one part, and the random numbers by which they are drawn."""

    variants: tuple[str, ...]
    recorded: tuple[str, ...]
    stretch: float
    generator: np.random.Generator

    def say(self, text: str) -> tuple[Sound, str]:
        """`text` by a voice at a speed and a pitch drawn at random, silence cut off; the voice."""
        draw = self.generator
        moved = self.stretch ** draw.uniform(-1, 1)
        if draw.random() < FLITE_FRACTION:
            voice = str(draw.choice(self.recorded))
            slower = f"duration_stretch={draw.uniform(0.8, 1.25):.2f}"
            command = ["flite", "-voice", voice, "--setf", slower, "-t", text]
            return trimmed(spoken([*command, "-o", "/dev/stdout"], moved)), voice
        accent, voice = draw.choice(ACCENTS), str(draw.choice(self.variants))
        speed, pitch = str(draw.integers(120, 200)), str(draw.integers(25, 75))
        command = ["espeak-ng", "-v", f"{accent}+{voice}", "-s", speed, "-p", pitch]
        return trimmed(spoken([*command, "--stdout", text], moved)), voice

    @cached_property
    def chatter(self) -> Sound:
        """A minute of four of them talking at once."""
        lanes = []
        for _ in range(4):
            texts = (str(self.generator.choice(CHATTER)) for _ in range(30))
            talk = [self.say(text)[0] for text in texts]
            lanes.append(np.concatenate(talk)[: 60 * RATE_HZ])
        shortest = min(map(len, lanes))
        return np.sum([lane[:shortest] for lane in lanes], 0)


def spoken(command: list[str], moved: float) -> Sound:
    """A synthesizer's recording, `moved` times as high, at `RATE_HZ` and of a loudness of 1."""
    written = subprocess.run(command, check=True, capture_output=True).stdout
    with wave.open(io.BytesIO(written)) as file:
        rate = file.getframerate()
    # The length in the header of a stream is not the real one: take all that follows it.
    samples = np.frombuffer(written[44 : len(written) // 2 * 2], "<i2") / 32768
    sound = resample_poly(samples, RATE_HZ // 50, round(rate * moved) // 50)
    return sound / (np.sqrt(np.mean(sound**2)) + 1e-9)


def trimmed(sound: Sound) -> Sound:
    """`sound` without the silence before and after it."""
    loud = np.flatnonzero(np.abs(sound) > 0.05 * np.abs(sound).max())
    return sound[loud[0] : loud[-1] + 1]


def colored(draw: np.random.Generator) -> Sound:
    """A second of noise whose power falls with frequency: white, pink, brown or between."""
    spectrum = rfft(draw.standard_normal(RATE_HZ))
    frequency = np.maximum(rfftfreq(RATE_HZ, 1 / RATE_HZ), 20.0)
    return irfft(spectrum * frequency ** -draw.uniform(0, 1), RATE_HZ)


def hum(draw: np.random.Generator) -> Sound:
    """A second of mains hum with its harmonics."""
    seconds = np.arange(RATE_HZ) / RATE_HZ
    base = draw.choice([50.0, 60.0])
    parts = [
        draw.random() / k * np.sin(2 * np.pi * (base * k * seconds + draw.random()))
        for k in range(1, 20)
    ]
    return np.sum(parts, 0)


def background(voices: Voices) -> Sound:
    """A second of background sound behind a word, of a loudness of 1."""
    draw = voices.generator
    kind = draw.integers(3)
    if kind == 0:
        start = draw.integers(len(voices.chatter) - RATE_HZ)
        sound = voices.chatter[start : start + RATE_HZ]
    else:
        sound = colored(draw) if kind == 1 else hum(draw) + 0.2 * colored(draw)
    return sound / (np.sqrt(np.mean(sound**2)) + 1e-9)


def recording(word: str | None, voices: Voices) -> tuple[Sound, str]:
    """A second with `word` somewhere in it, or with none, over a background; the word's voice."""
    draw = voices.generator
    behind = background(voices)
    if word is None:
        return behind * decibels(draw.uniform(-60, -30)), ""
    second = np.zeros(RATE_HZ)
    said, voice = voices.say(word)
    heard = said[:RATE_HZ]
    start = draw.integers(RATE_HZ - len(heard) + 1)
    second[start : start + len(heard)] = heard
    mixed = second + behind * decibels(-draw.uniform(3, 30))
    return mixed * decibels(draw.uniform(-35, -20)), voice


def decibels(value: float) -> float:
    return 10 ** (value / 20)


def levels(sound: Sound) -> np.ndarray:
    """Loudness of each band in each frame (BANDS, FRAMES), in steps above the floor."""
    padded = np.pad(sound, (WINDOW - HOP) // 2)
    _, _, spectrum = stft(
        padded,
        nperseg=WINDOW,
        noverlap=WINDOW - HOP,
        nfft=1024,
        boundary=None,
        padded=False,
    )
    power = filters() @ np.abs(spectrum[:, :FRAMES]) ** 2
    steps = (10 * np.log10(power + 1e-12) - FLOOR_DB) / STEP_DB
    return np.clip(np.round(steps), 0, 255).astype(np.uint8)


def filters() -> np.ndarray:
    """Triangles on the mel scale (BANDS, frequencies)."""

    def mel(hertz: np.ndarray) -> np.ndarray:
        return 2595 * np.log10(1 + hertz / 700)

    places = mel(rfftfreq(1024, 1 / RATE_HZ))
    edges = np.linspace(*mel(np.array([LOWEST_HZ, HIGHEST_HZ])), BANDS + 2)[:, None]
    rise = (places - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - places) / (edges[2:] - edges[1:-1])
    return np.clip(np.minimum(rise, fall), 0, None)


def recordings(per_class: int, voices: Voices) -> Iterator[tuple[np.ndarray, str, str]]:
    """Levels, label and voice: each command, other words and silence equally often."""
    for number in range(per_class):
        other = OTHERS[number % len(OTHERS)]
        spoken_as = {word: word for word in COMMANDS}
        words = {**spoken_as, "unknown": other, "silence": None}
        for label, word in words.items():
            sound, voice = recording(word, voices)
            yield levels(sound), label, voice


def main() -> None:
    parts = {
        "train": (TRAIN_PER_CLASS, (TRAIN_VARIANTS, TRAIN_FLITE, STRETCH)),
        "test": (TEST_PER_CLASS, (TEST_VARIANTS, TEST_FLITE, 1.0)),
    }
    for seed, (name, (per_class, voices)) in enumerate(parts.items(), SEED):
        drawn = Voices(*voices, np.random.default_rng(seed))
        x, y, voice = zip(*recordings(per_class, drawn), strict=True)
        arrays = {"x": np.stack(x), "y": np.array(y), "voice": np.array(voice)}
        np.savez_compressed(HERE / f"{name}.npz", **arrays)
        print(f"{name}: {len(y)} recordings", flush=True)


if __name__ == "__main__":
    main()
