"""The image processor of a folder: the size that the network takes, and how pixels become it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from edgekit.errors import ModelError
from edgekit.safe_io import read_json, reading
from edgekit.sources.huggingface.files import CONFIG
from edgekit.types import Preprocess

_FILE = "preprocessor_config.json"
_KIND = "an image processor"
_SIZE = 224
_LARGEST = 1 << 13
_RESAMPLING: dict[int, Literal["nearest", "bilinear", "bicubic"]] = {
    0: "nearest",
    2: "bilinear",
    3: "bicubic",
}
"""As Pillow numbers them."""


def processor(folder: Path) -> Mapping[str, Any]:
    """The image processor's configuration; empty where the folder has none."""
    path = folder / _FILE
    found = read_json(path, ModelError) if path.is_file() else {}
    with reading(path, ModelError, kind=_KIND):
        if not isinstance(found, dict):
            raise ValueError("it is not an object")
        return found


def size(found: Mapping[str, Any], config: Any) -> tuple[int, int]:
    """Height and width of the network's images, by its processor, else by the network."""
    crop = found.get("crop_size") if found.get("do_center_crop", True) else None
    candidates = (crop, found.get("size"), getattr(config, "image_size", None))
    sizes = (_pair(candidate) for candidate in candidates)
    return next((each for each in sizes if each is not None), (_SIZE, _SIZE))


def preprocess(folder: Path) -> Preprocess | None:
    """The processor's steps as the contract has them; plain ones for text.

    Raises `ModelError` for values that no processor has.
    """
    found = processor(folder)
    if not found:
        return Preprocess(scale=1.0) if _is_text(folder) else None
    with reading(folder / _FILE, ModelError, kind=_KIND):
        mean: tuple[float, ...] = (0.0,)
        std: tuple[float, ...] = (1.0,)
        if found.get("do_normalize", True) and "image_mean" in found:
            mean = _numbers(found["image_mean"])
            std = _numbers(found["image_std"])
        scale = 1.0
        if found.get("do_rescale", True):
            scale = round(1 / float(found.get("rescale_factor", 1 / 255)), 6)
        if len(mean) != len(std) or min(std) <= 0 or scale <= 0:
            raise ValueError(f"image_mean {mean}, image_std {std}, scale {scale}")
        resize = _RESAMPLING.get(found.get("resample", 2), "bilinear")
        return Preprocess(scale=scale, mean=mean, std=std, resize=resize)


def _is_text(folder: Path) -> bool:
    found = read_json(folder / CONFIG, ModelError)
    return isinstance(found, dict) and "vocab_size" in found


def _numbers(value: Any) -> tuple[float, ...]:
    return tuple(map(float, value if isinstance(value, list) else [value]))


def _pair(value: Any) -> tuple[int, int] | None:
    """Height and width of a size in one of the ways that processors write it."""
    if isinstance(value, dict):
        edge = value.get("shortest_edge")
        value = [value.get("height", edge), value.get("width", edge)]
    elif isinstance(value, int):
        value = [value, value]
    if not isinstance(value, list) or len(value) != 2:
        return None
    fits = all(type(side) is int and 0 < side <= _LARGEST for side in value)
    return (value[0], value[1]) if fits else None
