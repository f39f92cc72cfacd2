"""A data set from what `[data]` names: a folder, a file, or `loader.py:function`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgekit.config.user_code import is_reference
from edgekit.data import (
    arrays,
    arrow,
    boxes,
    coco_masks,
    entries,
    folder,
    function,
    masks,
    parquet,
    recordings,
    shards,
    text_files,
    videos,
)
from edgekit.data.dataset import Dataset
from edgekit.data.request import Request
from edgekit.data.splits import in_groups
from edgekit.errors import DataError
from edgekit.suggestions import suggest_path
from edgekit.types import DEFAULT_TASK, InputSpec, Preprocess, TaskKind

FILES: dict[str, Callable[[Path, Request], Dataset]] = {
    ".npz": arrays.load,
    ".parquet": parquet.load,
    **dict.fromkeys(parquet.DELIMITERS, parquet.load),
    shards.SUFFIX: shards.load,
}


def load(
    spec: str,
    *,
    root: Path,
    input: InputSpec,
    preprocess: Preprocess,
    labels: tuple[str, ...] | None = None,
    kind: TaskKind = DEFAULT_TASK,
) -> Dataset:
    """The samples that `spec` names, relative to `root`, as inputs of the shape of `input`.

    Targets are read as the `kind` of task has them. With `labels` (those of the
    training data) the classes must be the same ones. Raises `DataError`
    for anything that is missing, unreadable or of another shape.
    """
    request = Request.of_one(input, preprocess, labels, kind)
    return read(spec, root=root, request=request)


def read(spec: str, *, root: Path, request: Request) -> Dataset:
    """The samples that `spec` names, as `request` has them; see `load`."""
    for each in request.inputs:
        each.check()
    return in_groups(_read(spec, root, request), request.group, f"'{spec}' in [data]")


def _read(spec: str, root: Path, request: Request) -> Dataset:
    if is_reference(spec):
        return function.load(spec, root, request)
    path = root / spec
    if not path.exists():
        near = suggest_path(path) or " Check the path."
        raise DataError(f"No data at {path}, named '{spec}' in [data].{near}")
    if len(request.inputs) == 1:
        found = _annotated(path, request)
        if found is not None:
            return found
    if path.is_dir():
        return _folder(path, request)
    read = FILES.get(path.suffix)
    if read is None:
        raise DataError(
            f"Cannot read data from {path}. Give a folder of images or texts, "
            f"{', '.join(FILES)}, or 'loader.py:function'."
        )
    return read(path, request)


def _annotated(path: Path, request: Request) -> Dataset | None:
    """The images with boxes or masks by annotations that `path` names; `None` without any."""
    if request.format.boxes:
        return boxes.load(path, request)
    if request.format.masks and not (path / masks.MASKS).is_dir():
        return coco_masks.load(path, request)
    return None


def _folder(path: Path, request: Request) -> Dataset:
    if any(path.glob("*.parquet")) or arrow.is_saved(path):
        return parquet.load(path, request)
    if request.text is not None and text_files.texts_in(path):
        return text_files.load(path, request)
    if len(request.inputs) > 1:
        if any(path.glob(f"*{shards.SUFFIX}")):
            return shards.load(path, request)
        return entries.load(path, request)
    if recordings.recordings_in(path):
        return recordings.load(path, request)
    if videos.videos_in(path):
        return videos.load(path, request)
    if any(path.glob(f"*{shards.SUFFIX}")):
        return shards.load(path, request)
    return folder.load(path, request)
