"""Each known fault, planted in what an application feeds, is the one that is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from PIL import Image

from edgekit.data.preprocess import preprocess
from edgekit.diff import preprocessing_faults
from edgekit.diff.preprocessing_faults import Scene
from edgekit.types import Preprocess

SPEC = Preprocess(mean=(0.5, 0.4, 0.3), std=(0.25, 0.2, 0.3))
Array = np.ndarray


def images(size: int = 24) -> Array:
    """Smooth color images of bytes, (6, 3, size, size): JPEG and resizing have work to do."""
    generator = np.random.default_rng(0)
    small = generator.integers(0, 256, (6, 6, 6, 3), dtype=np.uint8)
    large = [
        np.asarray(Image.fromarray(one).resize((size, size), Image.Resampling.BICUBIC))
        for one in small
    ]
    return np.stack(large).transpose(0, 3, 1, 2).astype(np.float32)


def resized(kernel: str) -> Array:
    """The same images from twice the size."""
    method = getattr(Image.Resampling, kernel.upper())
    turned = images(48).astype(np.uint8).transpose(0, 2, 3, 1)
    shrunk = [
        np.asarray(Image.fromarray(one).resize((24, 24), method)) for one in turned
    ]
    return np.stack(shrunk).transpose(0, 3, 1, 2).astype(np.float32)


def named(application_input: Array, scene: Scene) -> tuple[str, ...] | None:
    def judge(prepared: Sequence[Array]) -> list[float | None]:
        return [
            preprocessing_faults.relative_error(application_input, one)
            for one in prepared
        ]

    before = preprocessing_faults.relative_error(application_input, scene.right())
    best, _ = preprocessing_faults.explain(scene, judge, before)
    return None if best is None else best.faults


def without(raw: Array, **changes: object) -> Array:
    return preprocess(
        raw, Preprocess(**{"mean": SPEC.mean, "std": SPEC.std, **changes})
    )


@pytest.mark.parametrize(
    ("feed", "expected"),
    [
        (lambda x: preprocess(x[:, ::-1], SPEC), ("BGR for RGB",)),
        (lambda x: without(x, scale=1.0), ("0-255 for 0-1",)),
        (lambda x: preprocess(x, SPEC).transpose(0, 2, 3, 1), ("NHWC for NCHW",)),
        (
            lambda x: preprocess(x, SPEC).transpose(0, 2, 3, 1).reshape(x.shape),
            ("NHWC data read as NCHW",),
        ),
        (lambda x: x / 255, ("missing mean and std",)),
        (lambda x: without(x, mean=(0.0,)), ("missing mean",)),
        (lambda x: without(x, std=(1.0,)), ("missing std",)),
        (lambda x: x / 127.5 - 1, ("-1 to 1 for the project's mean and std",)),
        (lambda x: x, ("0-255 for 0-1", "missing mean and std")),
        (
            lambda x: preprocess(x[:, ::-1], SPEC).transpose(0, 2, 3, 1),
            ("NHWC for NCHW", "BGR for RGB"),
        ),
    ],
)  # fmt: skip
def test_a_planted_fault_is_named(
    feed: Callable[[Array], Array], expected: tuple[str, ...]
) -> None:
    raw = images()
    assert named(feed(raw), Scene(raw=raw, spec=SPEC)) == expected


def test_another_resize_kernel_is_named() -> None:
    scene = Scene(raw=resized("bilinear"), spec=SPEC, resized=resized)
    assert named(preprocess(resized("nearest"), SPEC), scene) == (
        "resize nearest for bilinear",
    )


def test_a_lossy_codec_is_named() -> None:
    raw = images()
    scene = Scene(raw=raw, spec=SPEC)
    lossy = preprocess(preprocessing_faults.recoded(scene, raw, 75), SPEC)
    assert named(lossy, scene) == ("re-encoded as JPEG 75",)


def test_what_is_not_a_known_fault_is_not_called_one() -> None:
    raw = images()
    noise = np.random.default_rng(1).normal(size=raw.shape).astype(np.float32)
    assert named(noise, Scene(raw=raw, spec=SPEC)) is None


def test_statistics_tell_what_was_done_to_values() -> None:
    raw = images()
    for line in preprocessing_faults.statistics(raw / 2 + 3, raw):
        assert line == pytest.approx((0.5, 3.0), abs=1e-3)
