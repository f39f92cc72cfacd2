"""Samples that are decoded when they are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.types import InputSpec, Preprocess
from tests.unit.data.test_load import load


@pytest.mark.parametrize("kernel", ["nearest", "bilinear", "bicubic"])
def test_images_are_resized_with_the_kernel(tmp_path: Path, kernel: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    (tmp_path / "set").mkdir()
    Image.fromarray(noise).save(tmp_path / "set" / "one.png")
    x, y = load("set", tmp_path, preprocess=Preprocess(scale=1, resize=kernel)).arrays()
    resample = getattr(Image.Resampling, kernel.upper())
    expected = np.asarray(Image.fromarray(noise).resize((6, 4), resample))
    np.testing.assert_array_equal(x[0], expected.transpose(2, 0, 1))
    assert y.tolist() == [-1]


def test_large_images_are_decoded_by_threads_to_the_same(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (5, 128, 128, 3), np.uint8)
    (tmp_path / "set").mkdir()
    for number, pixels in enumerate(noise):
        Image.fromarray(pixels).save(tmp_path / "set" / f"{number}.png")
    x, _ = load("set", tmp_path, input=InputSpec(shape=(3, 128, 128))).arrays()
    np.testing.assert_array_equal(x, noise.transpose(0, 3, 1, 2))


def test_sequence_too_large_for_memory_is_read_when_requested(
    loader: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = load("loader.py:pairs", loader)
    monkeypatch.setattr("edgekit.data.memory.MEMORY", 0)
    dataset = load("loader.py:pairs", loader)
    np.testing.assert_array_equal(dataset.arrays()[0], whole.arrays()[0])
    assert dataset.targets.tolist() == whole.targets.tolist()
    assert len(dataset.fingerprint()) == 64
