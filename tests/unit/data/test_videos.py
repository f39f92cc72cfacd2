"""Videos as images: frames at a stride, classes by folders, a video on one side of a split."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.data import memory, split
from edgekit.data.load import read
from edgekit.data.request import Request, RequestedInput
from edgekit.errors import DataError
from edgekit.types import InputSpec, Preprocess

SIDE, RATE = 32, 10
STEP = 3
"""Of a frame's gray level to the next one's."""


def write(file: Path, count: int, first: int = 20, codec: str = "mpeg4") -> None:
    """A video at ten frames a second, each a little brighter, with a key frame every twelve."""
    av = pytest.importorskip("av")
    file.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(file), "w") as video:
        stream = video.add_stream(codec, rate=RATE)
        stream.width = stream.height = SIDE
        stream.pix_fmt, stream.time_base = "yuv420p", Fraction(1, RATE)
        stream.codec_context.gop_size = 12
        for number in range(count):
            level = first + STEP * number
            pixels = np.full((SIDE, SIDE, 3), level, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")):
                video.mux(packet)
        for packet in stream.encode():
            video.mux(packet)


def request(**more: Any) -> Request:
    spec, how = InputSpec(shape=(3, 16, 16)), Preprocess(scale=1.0)
    return Request(
        inputs=(RequestedInput(spec=spec, preprocess=how),), labels=None, **more
    )


def levels(dataset: Any) -> np.ndarray:
    feeds, _ = dataset.feeds()
    return feeds[0].mean((1, 2, 3))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "data/walk/a.mp4", 25)
    write(tmp_path / "data/run/b.webm", 31, first=60, codec="libvpx")
    write(tmp_path / "data/run/c.mkv", 10, first=90)
    write(tmp_path / "data/walk/d.avi", 12, first=120)
    return tmp_path


def test_every_so_many_frames_are_samples_of_their_folders_class(folder: Path) -> None:
    found = read("data", root=folder, request=request(frame_stride=10))
    assert found.labels == ("run", "walk")
    assert found.targets.tolist() == [0] * 5 + [1] * 5
    firsts = [60, 90, 120, 150, 90, 20, 50, 80, 120, 150]
    np.testing.assert_allclose(levels(found), firsts, atol=4)
    assert found.groups is not None
    assert [Path(name).name[0] for name in found.groups] == list("bbbbcaaadd")
    assert len(read("data", root=folder, request=request(frame_stride=1))) == 78


def test_a_video_is_on_one_side_of_a_split(folder: Path) -> None:
    found = read("data", root=folder, request=request(frame_stride=3))
    train, validation = split(found, 0.3, 0)
    assert len(train) and len(validation)
    assert not {*train.groups.tolist()} & {*validation.groups.tolist()}
    grouped = read("data", root=folder, request=request(group="data/(\\w+)/"))
    assert {*grouped.groups.tolist()} == {"run", "walk"}


def test_frames_beyond_memory_are_the_same_in_any_order(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / "data/run/long.mp4", 80, first=10)
    kept = read("data", root=folder, request=request(frame_stride=4))
    monkeypatch.setattr(memory, "MEMORY", 0)
    apart = read("data", root=folder, request=request(frame_stride=4))
    assert apart.columns[0].samples.by_workers
    assert not kept.columns[0].samples.by_workers
    order = np.random.default_rng(0).permutation(len(kept))[:30]
    order = np.concatenate([order, order[:3]])  # a sampler may repeat itself
    for one, other in zip(kept.feeds(order), apart.feeds(order), strict=True):
        np.testing.assert_array_equal(one, other)
    # Two frames more than five seconds apart: the second by its key frame.
    samples = apart.columns[0].samples
    own = [n for n, name in enumerate(samples.names) if name.endswith("long.mp4")]
    far = np.array([own[-1], own[0]])
    np.testing.assert_array_equal(samples.raw(far), kept.columns[0].samples.raw(far))


def test_what_is_no_video_is_named(folder: Path) -> None:
    (folder / "data/run/e.mp4").write_bytes(b"no video at all")
    with pytest.raises(DataError, match=r"e\.mp4 as a video \(.*Replace or remove it"):
        read("data", root=folder, request=request())
    (folder / "data/walk/f.mov").write_bytes(b"")
    with pytest.raises(DataError, match=r"Cannot read 2 videos: e\.mp4 .*; f\.mov "):
        read("data", root=folder, request=request())


def test_a_missing_library_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "data/run").mkdir(parents=True)
    (tmp_path / "data/run/a.mp4").write_bytes(b"any")
    with pytest.raises(
        DataError, match=r"without PyAV: pip install 'edgekit\[video\]'"
    ):
        read("data", root=tmp_path, request=request())
