"""Videos: folders with one subfolder a class, of which every so many frames are images.

PyAV decodes them; frames are then prepared as any other image is. All frames of a video are one
group, so that a split does not put neighbors, which are nearly alike, on both sides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.agent.serving.decode import pixels
from edgekit.data import preprocess
from edgekit.data.class_folders import labeled_files
from edgekit.data.dataset import Dataset
from edgekit.data.faults import Faults
from edgekit.data.memory import KeptIfTheyFit
from edgekit.data.preprocess import Array
from edgekit.data.request import Request
from edgekit.data.samples import Files, Indices, digest_of
from edgekit.errors import DataError
from edgekit.safe_io import reading

SUFFIXES = frozenset((".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"))
_KIND = "a video"
_SEEK_S = 5
"""Seconds of frames between two that are passed over one by one, rather than found by a key
frame."""


def videos_in(path: Path) -> bool:
    """Return whether a folder, or one in it, has videos."""
    return any(
        p.suffix.lower() in SUFFIXES for each in ("*", "*/*") for p in path.glob(each)
    )


def load(path: Path, request: Request) -> Dataset:
    """Frames of the videos of every class subfolder, in the order of names; or of those in `path`.

    Raises `DataError` without PyAV, and naming all videos that cannot be read.
    """
    (image,) = request.inputs
    color = preprocess.color(image.preprocess, image.spec)
    files, labels = labeled_files(path, SUFFIXES, "videos", request)
    if not files:
        raise DataError(f"No videos in {path} ({', '.join(sorted(SUFFIXES))}).")
    times = _times(files, request.frame_stride)
    places = np.repeat(np.arange(len(files)), [len(each) for each in times])
    channels, height, width = image.spec.shape
    frames = Frames(
        files=tuple(map(str, files)),
        places=places,
        times=np.concatenate(times),
        shape=(channels, height, width),
        color=color,
        resize=image.preprocess.resize,
        fit=image.preprocess.fit,
    )
    frames.check()
    y = None if labels is None else np.array(labels)[places]
    found = request.labeled([frames], y, str(path))
    return found.grouped(frames.names) if request.group is None else found


@dataclass(frozen=True, kw_only=True, eq=False)
class Frames(KeptIfTheyFit):
    """Frames of videos as uint8 (n, channels, height, width), decoded once where that fits."""

    files: tuple[str, ...]
    places: Indices
    """The number of each frame's video."""
    times: Indices
    """Each frame's time in its video, in the stream's own unit, rising within a video."""
    shape: tuple[int, int, int]
    color: str
    resize: str
    fit: str
    _decoded: list[Array] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.places)

    @property
    def names(self) -> Sequence[str]:
        """The path of each frame's video."""
        return [self.files[place] for place in self.places]

    def title(self, index: int) -> str:
        """The frame's video and time."""
        return f"the frame at {self.times[index]} of {self.files[self.places[index]]}"

    def check(self) -> None:
        """Decode all frames that are kept; raises `DataError` that names all videos it cannot."""
        if not self._kept:
            return
        faults, found = Faults(), np.zeros((len(self), *self.shape), np.uint8)
        for number, file in enumerate(self.files):
            with faults.of(Path(file).name):
                own = np.flatnonzero(self.places == number)
                found[own] = self._of(file, self.times[own])
        faults.refuse("videos")
        self._decoded.append(found)

    def raw(self, indices: Indices) -> Array:
        """Frames (n, channels, height, width) at `indices`, each video opened once; raises
        `DataError`."""
        if self._decoded:
            found: Array = self._decoded[0][indices]
            return found
        result = np.empty((len(indices), *self.shape), np.uint8)
        places = self.places[indices]
        for number in np.unique(places):
            own = np.flatnonzero(places == number)
            own = own[np.argsort(self.times[indices[own]], kind="stable")]
            result[own] = self._of(self.files[number], self.times[indices[own]])
        return result

    def digest(self) -> bytes:
        """SHA-256 of the files, or of their sizes and beginnings where they are large."""
        return self._digest

    @cached_property
    def _digest(self) -> bytes:
        how = f"{self.shape}{self.color}{self.resize}{self.fit}".encode()
        which = self.places.tobytes() + self.times.tobytes()
        files = digest_of(Files(names=self.files))
        return hashlib.sha256(how + which + files).digest()

    def _of(self, file: str, times: Indices) -> Array:
        """Frames (n, channels, height, width) of a video at rising times."""
        with reading(file, DataError, kind=_KIND, fix="Replace or remove it."):
            return np.stack(
                [
                    pixels(image, self.shape, self.color, self.resize, self.fit)
                    for image in _images(file, times.tolist())
                ]
            )


def _times(files: Sequence[Path], stride: int) -> list[Indices]:
    """The time of every `stride`th frame of each video, in the stream's unit; none is decoded."""
    faults, found = Faults(), []
    for file in files:
        with (
            faults.of(file.name),
            reading(file, DataError, kind=_KIND, fix="Replace or remove it."),
            _opened(file) as video,
        ):
            packets = video.demux(_stream(video))
            times = sorted({one.pts for one in packets if one.pts is not None})
            if not times:
                raise ValueError("it has no frames")
            found.append(np.array(times[::stride], np.int64))
    faults.refuse("videos")
    return found


def _images(file: str, times: Sequence[int]) -> Iterator[Any]:
    """Pillow's image at each of some rising times. Decoding goes on from one to the next, and
    begins at a later key frame where there is one between them."""
    with _opened(Path(file)) as video:
        stream = _stream(video)
        frames, at, image = video.decode(stream), stream.start_time or 0, None
        for time in times:
            if time - at > _SEEK_S / (stream.time_base or 1):
                video.seek(time, stream=stream)
                frames = video.decode(stream)
            if image is None or at < time:
                frame = next(_reached(frames, time), None)
                if frame is None:
                    raise ValueError(f"it ends before its frame at {time}")
                at, image = frame.pts, _upright(frame)
            yield image


def _reached(frames: Iterator[Any], time: int) -> Iterator[Any]:
    return (one for one in frames if one.pts is not None and one.pts >= time)


def _upright(frame: Any) -> Any:
    image = frame.to_image()
    return image.rotate(frame.rotation, expand=True) if frame.rotation else image


def _stream(video: Any) -> Any:
    if not video.streams.video:
        raise ValueError("it has no pictures")
    stream = video.streams.video[0]
    stream.thread_type = "AUTO"
    return stream


def _opened(file: Path) -> Any:
    """The container; raises `DataError` without PyAV."""
    try:
        import av
    except ImportError as error:
        raise DataError(
            f"Cannot read {file} without PyAV: pip install 'edgekit[video]', or give the frames "
            "as images."
        ) from error
    return av.open(str(file))
