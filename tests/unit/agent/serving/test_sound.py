"""Features of recordings, against other implementations of them."""

from __future__ import annotations

import io
import wave
from typing import Any

import numpy as np
import pytest
from scipy.fft import dct

from edgekit.agent.errors import AgentError
from edgekit.agent.serving import sound
from edgekit.agent.serving.decode import decode

HOW = {
    "form": "log-mel", "rate": 8000, "window": 200, "hop": 80, "bands": 24,
    "coefficients": 10, "low_hz": 60.0, "high_hz": None,
}  # fmt: skip
FRAMES = 30
LENGTH = 200 + 29 * 80


def noise(count: int = LENGTH) -> np.ndarray:
    draw = np.random.default_rng(0)
    return draw.normal(0, 0.2, count) * np.sin(np.arange(count) / 40)


def stored(
    samples: np.ndarray, width: int = 2, channels: int = 1, rate: int = 8000
) -> bytes:
    """A `.wav` of samples from -1 to 1."""
    whole = np.round(samples * (2 ** (8 * width - 1) - 1)).astype(np.int64)
    if width == 1:
        whole += 128
    raw = whole.astype("<i8").view(np.uint8).reshape(-1, 8)[:, :width].tobytes()
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(raw)
    return content.getvalue()


def theirs(samples: np.ndarray) -> np.ndarray:
    """By the front end of `transformers`, which follows librosa and torchaudio."""
    audio = pytest.importorskip("transformers.audio_utils")
    filters = audio.mel_filter_bank(
        num_frequency_bins=129,
        num_mel_filters=24,
        min_frequency=60.0,
        max_frequency=4000.0,
        sampling_rate=8000,
        norm=None,
        mel_scale="htk",
    )
    found: np.ndarray = audio.spectrogram(
        samples,
        audio.window_function(200, "hann", periodic=True),
        frame_length=200,
        hop_length=80,
        fft_length=256,
        power=2.0,
        center=False,
        mel_filters=filters,
        mel_floor=1e-10,
        log_mel="dB",
        reference=1.0,
        min_value=1e-10,
    )
    return found


def test_levels_are_those_of_another_front_end() -> None:
    found = sound.features(noise(), HOW, (24, FRAMES))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, theirs(noise()), rtol=1e-4, atol=1e-3)
    turned = sound.features(noise(), HOW, (1, FRAMES, 24))
    np.testing.assert_array_equal(turned[0].T, found)


def test_coefficients_are_the_cosine_transform_of_levels() -> None:
    found = sound.features(noise(), HOW | {"form": "mfcc"}, (10, FRAMES))
    expected = dct(theirs(noise()), axis=0, norm="ortho")[:10]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-2)


def test_what_is_short_is_followed_by_silence_and_what_is_long_is_cut() -> None:
    how = HOW | {"form": "wave"}
    found = sound.features(noise(5), how, (1, 8))
    np.testing.assert_allclose(found[0], [*noise(5), 0, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(
        sound.features(noise(9), how, (8,)), noise(9)[:8], rtol=1e-6
    )
    levels = sound.features(noise(200), HOW, (24, FRAMES))
    assert (levels[:, 5:] == -100).all() and (levels[:, 0] > -100).all()


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_samples_of_every_width_and_channel(width: int) -> None:
    left, right = noise(50), np.linspace(-1, 1, 50)
    both = np.stack([left, right], 1).ravel()
    found, rate = sound.read_wave(stored(both, width, channels=2))
    assert rate == 8000
    np.testing.assert_allclose(
        found, (left + right) / 2, atol=1.6 / 2 ** (8 * width - 1)
    )


@pytest.mark.parametrize(
    "content", [b"", b"RIFF", b"RIFF\0\0\0\0WAVEfmt ", b"ID3" + bytes(99)]
)
def test_what_is_no_recording(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"no \.wav of whole numbers"):
        sound.read_wave(content)


@pytest.mark.parametrize(
    ("how", "shape", "message"),
    [
        ({}, (23, 30), r"log-mel of 24 rows is \[24, frames\]"),
        ({"form": "mfcc"}, (24, 30), "mfcc of 10 rows"),
        ({"form": "wave"}, (2, 30), "one row of samples"),
        ({}, (3, 24, 30), "the input is"),
    ],
)
def test_inputs_of_another_form(
    how: dict[str, Any], shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        sound.length_of(HOW | how, shape)


def test_a_device_has_the_features_of_training() -> None:
    contract = {"scale": 10.0, "mean": [-5.0], "std": [2.0], "audio": HOW}
    content = stored(noise())
    samples, _ = sound.read_wave(content)
    found = decode(content, "a.wav", (24, FRAMES), contract)
    expected = (sound.features(samples, HOW, (24, FRAMES)) / 10 + 5) / 2
    np.testing.assert_allclose(found[0], expected, rtol=1e-5)
    with pytest.raises(
        AgentError, match="has 16000 samples a second, and the model takes 8000"
    ):
        decode(stored(noise(), rate=16_000), "a.wav", (24, FRAMES), contract)
    with pytest.raises(AgentError, match=r"Cannot read a\.wav as a recording"):
        decode(b"RIFF", "a.wav", (24, FRAMES), contract)
