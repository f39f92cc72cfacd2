"""`edgekit init`: a commented edgekit.toml, filled in with what the folder shows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from edgekit import sources
from edgekit.config.folder import first_file, walk
from edgekit.config.project import FILE
from edgekit.errors import DataError, OutputError, UsageError
from edgekit.program import tokenizer
from edgekit.safe_io import read_arrays, reading
from edgekit.suggestions import suggest_path
from edgekit.types import DEFAULT_TASK, Preprocess

_WEIGHTS = (".safetensors", ".pt", ".pth", ".bin")
_IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
_TABLES = (".npz", ".parquet", ".csv", ".tsv")
_TRAIN = ("train", "training")
_TEST = ("test", "val", "valid", "validation", "eval")

_MISSING = {
    "network": "write a function that returns it, such as build() in model.py",
    "weights": "save network.state_dict() as weights.safetensors",
}
"""What to do about what a folder lacks."""

_PREPROCESS = """\
[data.preprocess]                           # (pixel / scale - mean) / std, by channel:
scale = {scale:<36}# the same numbers the network was trained with
mean  = {mean}
std   = {std}{resize_line}"""
_TEXT = """\
[data.text]
tokenizer = {tokenizer:<32}# a folder with tokenizer.json
# columns = ["sentence"]                    # of the texts in a table; two for pairs"""
_TEMPLATE = """\
# What EdgeKit builds from. Paths are relative to this file. Then:
#     edgekit build --target raspberrypi        (edgekit targets: every device)

[model]
source  = "{source}"{source_note}
{weights_line}
{input_line}

[data]
train = "{train}"{train_note}
test  = "{test}"{test_note}
# calibration = "data/calibration"          # else drawn from train
# validation  = "data/validation"           # else split off train; chooses the epoch

{preprocess_lines}

[task]
kind = "{kind}"

[budget]                                    # met, or refused in plain words
speedup       = 2.0                         # against the unpruned fp32 network, same run
accuracy_drop = 0.01                        # at most one point
# latency_ms  = 20                          # proved on the device, else reported unproven
# size_mb     = 1.0
# memory_mb   = 64
# mmacs       = 50                     # millions of multiply-accumulates
# energy_mj   = 5

# [target.raspberrypi4.budget]              # what differs on one device
# latency_ms = 20

# [recipe.distill]                          # sensible defaults for all of these
# epochs = 20
# learning_rate = "auto"
# temperature = 4.0
"""


@dataclass(frozen=True, kw_only=True)
class _Found:
    source: str | None
    has_weights: bool
    """True where the weights are in the source, and so for the input shape."""
    has_inputs: bool
    weights: str | None
    train: str | None
    test: str | None
    shape: tuple[int, ...] | None
    preprocess: Preprocess | None
    """Preprocessing that the source itself names."""
    tokenizer: str | None
    """The source, where it brings a tokenizer."""


def write(
    folder: Path, *, force: bool = False, model: str | None = None
) -> tuple[Path, list[str]]:
    """Write `folder/edgekit.toml`; returns it and, line by line, what was found or is left.

    `model` is the network relative to `folder`; without it, the first one there. Raises
    `ModelError` for a `model` that is none.
    """
    if not folder.is_dir():
        raise UsageError(
            f"No folder {folder}.{suggest_path(folder)} Make it, or name another."
        )
    file = folder / FILE
    if file.exists() and not force:
        raise OutputError(f"{file} exists. Pass --force to replace it.")
    found = _look(folder, model)
    try:
        file.write_text(_filled(found), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"Cannot write {file} ({error.strerror}).") from error
    return file, _described(found)


def _look(folder: Path, model: str | None) -> _Found:
    train = _data(folder, _TRAIN)
    reference, source = sources.find(folder) or (None, None)
    if model is not None:
        reference, source = model, sources.recognized(model, folder)
    return _Found(
        source=reference,
        has_weights=source is not None and source.has_weights,
        has_inputs=source is not None and source.has_inputs,
        weights=first_file(folder, _WEIGHTS),
        train=train,
        test=_data(folder, _TEST),
        shape=_shape(folder / train) if train else None,
        preprocess=source.preprocess(folder / reference)
        if source is not None and reference is not None
        else None,
        tokenizer=_tokenizer(folder, reference),
    )


def _filled(found: _Found) -> str:
    todo = "    # TODO: not found here"
    shape = ", ".join(map(str, found.shape or (3, 32, 32)))
    weights = f'weights = "{found.weights or "weights.safetensors"}"'
    given = f"input   = {{ shape = [{shape}] }}"
    return _TEMPLATE.format(
        kind=DEFAULT_TASK,
        source=found.source or "model.py:build",
        source_note=""
        if found.source
        else f"{todo}: a function that returns the network",
        weights_line=(
            f"# the weights are in {found.source}"
            if found.has_weights
            else weights + ("" if found.weights else todo)
        ),
        input_line=(
            f"# the input shape is in {found.source}"
            if found.has_inputs
            else f"{given}    # without the batch dimension"
            + ("" if found.shape else "; TODO: check it")
        ),
        train=found.train or "data/train",
        train_note=""
        if found.train
        else f"{todo}: image folder, .npz, .parquet or loader.py:train",
        test=found.test or "data/test",
        test_note="" if found.test else todo,
        preprocess_lines=_preprocess_lines(found),
    ).replace("\n\n\n", "\n\n")


def _preprocess_lines(found: _Found) -> str:
    if found.tokenizer is not None:
        return _TEXT.format(tokenizer=json.dumps(found.tokenizer, ensure_ascii=False))
    prepared = found.preprocess or _plain(found.shape)
    return _PREPROCESS.format(
        scale=f"{prepared.scale:g}",
        mean=list(prepared.mean),
        std=list(prepared.std),
        resize_line=""
        if prepared.resize == Preprocess().resize
        else f'\nresize = "{prepared.resize}"',
    )


def _tokenizer(folder: Path, reference: str | None) -> str | None:
    """The network's folder, where it brings a tokenizer; raises `ModelError` for a damaged one."""
    place = folder / (reference or "")
    if reference is None or not place.is_dir() or tokenizer.only_slow(place):
        return None
    return None if tokenizer.read(place) is None else reference


def _plain(shape: tuple[int, ...] | None) -> Preprocess:
    channels = shape[0] if shape else 3
    return Preprocess(mean=(0.0,) * channels, std=(1.0,) * channels)


def _described(found: _Found) -> list[str]:
    shape = found.shape
    named = {
        "network": found.source,
        **({} if found.has_weights else {"weights": found.weights}),
        "training data": found.train,
        "test data": found.test,
        **({} if found.has_inputs else {"input shape": shape and list(shape)}),
    }
    if found.tokenizer is not None:
        return [*_lines(named), f"tokenizer: {found.tokenizer}"]
    prepared = (
        "fill in the ones the network was trained with"
        if found.preprocess is None
        else f"as {found.source} has them"
    )
    return [*_lines(named), f"mean and std: {prepared}"]


def _lines(named: Mapping[str, object]) -> Iterator[str]:
    for name, value in named.items():
        yield f"{name}: {value or 'not found, ' + _MISSING.get(name, 'fill it in')}"


def _data(folder: Path, names: Sequence[str]) -> str | None:
    for name in names:
        for path in walk(folder):
            matches = path.stem.lower() == name
            if matches and (path.is_dir() or path.suffix in _TABLES):
                return path.relative_to(folder).as_posix()
    return None


def _shape(data: Path) -> tuple[int, ...] | None:
    """(channels, height, width) of the first sample."""
    if data.is_dir():
        images = (file for file in data.rglob("*") if file.suffix.lower() in _IMAGES)
        first = next(iter(sorted(images)), None)
        if first is None:
            return None
        with reading(first, DataError, kind="an image"), Image.open(first) as image:
            channels = 1 if image.mode in ("1", "L", "I", "F") else 3
            return channels, image.height, image.width
    if data.suffix == ".npz":
        arrays = read_arrays(data, DataError)
        shapes = [array.shape[1:] for array in arrays.values() if array.ndim >= 2]
        if not shapes:
            return None
        shape = tuple(int(size) for size in max(shapes, key=len))
        if len(shape) == 3 and shape[2] in (1, 3) and shape[0] not in (1, 3):
            return shape[2], shape[0], shape[1]
        return (1, *shape) if len(shape) == 2 else shape
    return None
