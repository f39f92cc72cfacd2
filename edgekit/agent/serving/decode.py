"""From an encoded image or a `.npy` to the network's input: the preprocessing contract.

The one implementation: training reads its images through it, and so does the device. Images need
Pillow, whose resampling is part of the contract; `.npy` needs numpy alone.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import INPUTS_INVALID, RUNTIME_MISSING, AgentError, one_line
from . import sound

NPY = b"\x93NUMPY"
ZIP = b"PK\x03\x04"
"""The first bytes of a `.npz`."""
_CHANNELS = {1: "gray", 3: "rgb"}
Array = np.ndarray[Any, Any]
Inputs = Mapping[str, Any]
"""The shape and the `preprocessing` of each input by name."""

_LETTERBOX = 114
"""Gray around a letterboxed image, as YOLO's trainings have it."""
_MOST_PIXELS = 2**26
"""A small file may claim to be a huge image, and a device has little memory."""


class Placement(NamedTuple):
    """Where an image lies in the input: `x * scale + offset`, for (x, y) in the image's pixels."""

    size: tuple[int, int]  # (width, height) of the image in the input
    image: tuple[int, int]  # (width, height) of the image itself
    scale: tuple[float, float]
    offset: tuple[int, int]

    def back(self, box: Sequence[float]) -> list[float]:
        """Corners (x1, y1, x2, y2) in the image's own pixels, of those in the input."""
        return [
            (value - self.offset[side % 2]) / self.scale[side % 2]
            for side, value in enumerate(box)
        ]

    def mask(self, mask: Array) -> Array:
        """A mask (height, width) of the input in the image's own pixels, the nearest of each."""
        places = [
            ((np.arange(whole) + 0.5) * inside / whole).astype(int) + offset
            for whole, inside, offset in zip(self.image, self.size, self.offset)
        ]
        return np.asarray(mask[np.ix_(places[1], places[0])])


def placement(
    size: tuple[int, int], target: Sequence[int], fit: str = "stretch"
) -> Placement:
    """Place an image of `size` (width, height) in an input of `target` (height, width).

    `stretch` fills it; `letterbox` keeps the proportions, in the middle.
    """
    height, width = target
    if fit == "stretch":
        scale = (width / size[0], height / size[1])
        return Placement((width, height), size, scale, (0, 0))
    ratio = min(width / size[0], height / size[1])
    across, down = (max(1, round(side * ratio)) for side in size)
    return Placement(
        (across, down),
        size,
        (across / size[0], down / size[1]),
        ((width - across) // 2, (height - down) // 2),
    )


def image_placement(
    content: bytes, shape: Sequence[int], contract: Mapping[str, Any]
) -> Placement:
    """Place of an encoded image, which can be read, in an input (channels, height, width)."""
    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        return placement(image.size, shape[1:], contract.get("fit", "stretch"))


def pixels(
    image: Any, shape: Sequence[int], color: str, resize: str, fit: str = "stretch"
) -> Array:
    """A Pillow image as uint8 (channels, height, width): converted, then stretched to the size, or
    with `letterbox` surrounded by gray."""
    from PIL import Image

    if image.mode.startswith(("I", "F")):
        raise ValueError(f"mode {image.mode}, more than 8 bits a channel: use .npy")
    mode = "L" if color == "gray" else "RGB"
    image = image if image.mode == mode else image.convert(mode)
    _, height, width = shape
    at = placement(image.size, (height, width), fit)
    if image.size != at.size:
        image = image.resize(at.size, getattr(Image.Resampling, resize.upper()))
    if at.size != (width, height):
        gray = _LETTERBOX if mode == "L" else (_LETTERBOX,) * 3
        whole = Image.new(mode, (width, height), gray)
        whole.paste(image, at.offset)
        image = whole
    values = np.asarray(image, np.uint8)
    if color == "gray":
        return values[None]
    if color == "bgr":
        values = values[..., ::-1]
    return values.transpose(2, 0, 1)


def normalize(
    values: Array, scale: float, mean: Sequence[float], std: Sequence[float]
) -> Array:
    """`(value / scale - mean) / std` by channel: (n, channels, ...) of any dtype to float32."""
    shape = (-1,) + (1,) * (values.ndim - 2)
    result = values.astype(np.float32)
    result /= np.float32(scale)
    result -= np.asarray(mean, np.float32).reshape(shape)
    result /= np.asarray(std, np.float32).reshape(shape)
    return result


def decode(
    content: bytes, name: str, shape: Sequence[int], contract: Mapping[str, Any]
) -> Array:
    """Samples (n, *shape) in float32 from the bytes of one file; an image is one sample.

    `contract` is the `preprocessing` of a manifest. Raises `inputs_invalid` with the file's name.
    """
    if not content:
        raise AgentError(INPUTS_INVALID, f"{name} is empty. Give an image or a .npy.")
    if content.startswith(NPY):
        raw = _array(content, name, shape)
    elif contract.get("audio"):
        raw = _recording(content, name, shape, contract["audio"])[None]
    else:
        raw = _image(content, name, shape, contract)[None]
    return normalize(raw, contract["scale"], contract["mean"], contract["std"])


def arrays_in(content: bytes, name: str) -> dict[str, Array]:
    """The arrays of a `.npz` by name; raises `inputs_invalid` where it cannot be read."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return {each: file[each] for each in file.files}
    except (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise AgentError(
            INPUTS_INVALID, f"Cannot read {name} ({one_line(error)})."
        ) from error


def decode_named(content: bytes, name: str, inputs: Inputs) -> list[Array]:
    """Samples (n, *shape) in float32 for each of `inputs`, from the bytes of a `.npz`. Raises
    `inputs_invalid` for an array that is missing or wrong."""
    return prepared(arrays_in(content, name), name, inputs)


def prepared(arrays: Mapping[str, Any], name: str, inputs: Inputs) -> list[Array]:
    """As `decode_named`, from arrays or nested lists by name."""
    if set(arrays) != set(inputs):
        raise AgentError(
            INPUTS_INVALID,
            f"{name} holds {', '.join(arrays) or 'nothing'}; the model takes "
            f"{', '.join(inputs)}.",
        )
    found = []
    for each, (shape, contract) in inputs.items():
        raw = _checked(_as_array(arrays[each]), f"{name}: {each}", shape)
        how = (contract[key] for key in ("scale", "mean", "std"))
        found.append(normalize(raw, *how))
    if len({len(part) for part in found}) > 1:
        raise AgentError(INPUTS_INVALID, f"{name} holds different numbers of samples.")
    return found


def _as_array(given: Any) -> Array:
    try:
        return np.asarray(given)
    except ValueError:  # rows of different lengths
        return np.empty(0, object)


def _array(content: bytes, name: str, shape: Sequence[int]) -> Array:
    try:
        raw = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise AgentError(
            INPUTS_INVALID, f"Cannot read {name} ({one_line(error)})."
        ) from error
    return _checked(raw, name, shape)


def _checked(raw: Array, name: str, shape: Sequence[int]) -> Array:
    """Samples (n, *shape) of numbers."""
    if raw.dtype.kind not in "fiub" or not raw.size:
        raise AgentError(INPUTS_INVALID, f"{name} holds {raw.dtype}, not numbers.")
    expected = tuple(shape)
    if raw.shape == expected:
        raw = raw[None]
    if raw.shape[1:] != expected:
        raise AgentError(
            INPUTS_INVALID,
            f"{name} has shape {list(raw.shape)}; the model takes {list(expected)}, "
            f"or n of them.",
        )
    return np.asarray(raw)


def _recording(
    content: bytes, name: str, shape: Sequence[int], how: Mapping[str, Any]
) -> Array:
    """Features (*shape) of a `.wav`; one of another rate is not resampled."""
    try:
        samples, rate = sound.read_wave(content)
    except ValueError as error:
        raise AgentError(
            INPUTS_INVALID, f"Cannot read {name} as a recording or a .npy ({error})."
        ) from error
    if rate != how["rate"]:
        raise AgentError(
            INPUTS_INVALID,
            f"{name} has {rate} samples a second, and the model takes {how['rate']}. Resample it.",
        )
    return sound.features(samples, how, shape)


def _image(
    content: bytes, name: str, shape: Sequence[int], contract: Mapping[str, Any]
) -> Array:
    try:
        from PIL import Image
    except ImportError as error:
        raise AgentError(
            RUNTIME_MISSING,
            f"Reading the image {name} needs the package pillow ({one_line(error)}).",
        ) from error
    color = contract.get("color")
    if len(shape) == 3 and not color:
        color = _CHANNELS.get(shape[0])
    if len(shape) != 3 or not color:
        raise AgentError(
            INPUTS_INVALID,
            f"An image does not fit the input {list(shape)}: give {name} as a .npy.",
        )
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise ValueError(
                    f"{image.width} x {image.height} pixels are over the limit of "
                    f"{_MOST_PIXELS}"
                )
            fit = contract.get("fit", "stretch")
            return pixels(image, shape, color, contract["resize"], fit)
    except (
        OSError,  # Pillow's own error for what it does not recognize is one
        ValueError,
        # Further exceptions that Pillow's readers raise for damaged files.
        *(SyntaxError, EOFError, LookupError, ArithmeticError, TypeError),
        *(AttributeError, struct.error, zlib.error),
        Image.DecompressionBombError,
    ) as error:
        reason = one_line(error)[:120].partition(" <_io.")[0]
        raise AgentError(
            INPUTS_INVALID, f"Cannot read {name} as an image or a .npy ({reason})."
        ) from error
