"""The preprocessing contract: `(value / scale - mean) / std`, by channel, in one place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.agent.serving.decode import normalize
from edgekit.errors import DataError
from edgekit.types import InputSpec, Preprocess

Array = NDArray[Any]
Float = NDArray[np.float32]
Tokens = NDArray[np.int64] | NDArray[np.int32]

_COLOR_CHANNELS = {"rgb": 3, "bgr": 3, "gray": 1}


def preprocess(values: Array, spec: Preprocess) -> Float:
    """Raw samples (n, channels, ...) of any dtype to the network's input, float32."""
    return normalize(values, spec.scale, spec.mean, spec.std)


def check(spec: Preprocess, shape: tuple[int, ...]) -> None:
    """Raise `DataError` where `spec` cannot be applied to samples of `shape`."""
    channels = shape[0]
    for name, values in (("mean", spec.mean), ("std", spec.std)):
        if len(values) not in (1, channels):
            raise DataError(
                f"[data.preprocess] {name} has {len(values)} values for an input of "
                f"{channels} channel{'s' * (channels > 1)}. Give 1 or {channels}."
            )
    if spec.color is not None and len(shape) == 3:
        expected = _COLOR_CHANNELS[spec.color]
        if expected != channels:
            raise DataError(
                f"[data.preprocess] color = '{spec.color}' means {expected} "
                f"channel{'s' * (expected > 1)}, but the input has {channels}. "
                "Correct it, or [model] input."
            )


def color(spec: Preprocess, input: InputSpec) -> str:
    """The color order that images are decoded to: that of the spec, or by the channels."""
    if spec.color is not None:
        return spec.color
    channels = input.shape[0]
    if len(input.shape) != 3 or channels not in (1, 3):
        raise DataError(
            f"Images do not fit input shape {list(input.shape)}: it takes 1 or 3 channels, "
            "height and width. Give the samples as .npz or by a loader."
        )
    return "rgb" if channels == 3 else "gray"
