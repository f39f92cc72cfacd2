"""Features inside a network, against those of the device's NumPy."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.agent.serving import sound
from edgekit.program.audio_features import AudioFeatures, length_of
from edgekit.program.io_fusion import folded
from edgekit.program.program import trace
from edgekit.types import AudioSpec, InputSpec, IOFusion, Preprocess

HOW = AudioSpec(rate=8000, window=200, hop=80, bands=24, coefficients=10, low_hz=60)
CASES = {
    "levels": (HOW, (24, 30)),
    "frames first": (HOW, (1, 30, 24)),
    "coefficients": (replace(HOW, form="mfcc"), (10, 30)),
    "a power of two": (replace(HOW, window=256, high_hz=3500), (1, 24, 30)),
}


def waves(count: int, length: int) -> np.ndarray:
    """Noise of different loudness, a tone, and silence."""
    draw = np.random.default_rng(0)
    found = draw.normal(0, 1, (count, length)) * np.logspace(-4, -0.7, count)[:, None]
    found[0] = 0
    found[1] = np.sin(np.arange(length) / 3)
    return found.astype(np.float32)


@pytest.mark.parametrize("name", CASES)
def test_features_are_those_of_the_device(name: str) -> None:
    how, shape = CASES[name]
    length = length_of(how, shape)
    assert length == sound.length_of(asdict(how), shape)
    given = waves(6, length)
    found = AudioFeatures(how, shape)(torch.from_numpy(given)).numpy()
    expected = [sound.features(one, asdict(how), shape) for one in given]
    assert found.shape == (6, *shape)
    # In float32 bands 100 dB below a loud tone are its rounding.
    np.testing.assert_allclose(found[1], expected[1], atol=0.1)
    for number in (0, 2, 3, 4, 5):
        np.testing.assert_allclose(found[number], expected[number], atol=1e-3)


def test_a_file_takes_the_recording_itself() -> None:
    how = Preprocess(scale=2.0, mean=(-40.0,), std=(20.0,), audio=HOW)
    spec = InputSpec(shape=(24, 30), name="sound")
    network = trace(nn.Sequential(nn.Flatten(), nn.Linear(720, 3)), (spec,))
    made = folded(network, IOFusion(preprocess=how))
    [taken] = made.inputs
    assert taken.shape == (length_of(HOW, (24, 30)),) and taken.name == "sound"
    given = waves(4, *taken.shape)
    features = [sound.features(one, asdict(HOW), (24, 30)) for one in given]
    prepared = (np.stack(features) / 2 + 40) / 20
    with torch.no_grad():
        found = made.answer(torch.from_numpy(given))
        expected = network.answer(torch.from_numpy(prepared.astype(np.float32)))
    torch.testing.assert_close(found[1:], expected[1:], rtol=1e-3, atol=1e-3)


def test_a_network_of_waves_takes_them_as_before() -> None:
    how = Preprocess(scale=2.0, audio=replace(HOW, form="wave"))
    network = trace(nn.Linear(50, 3), (InputSpec(shape=(50,)),))
    assert folded(network, IOFusion(preprocess=how)).inputs == network.inputs
