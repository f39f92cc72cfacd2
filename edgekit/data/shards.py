"""WebDataset's shards: `.tar` files whose members of one name are one sample.

https://github.com/webdataset/webdataset. `0001.jpg` and `0001.cls` are an image and its class. Only
the members' headers and labels are read at first.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.data import recordings
from edgekit.data.dataset import Dataset
from edgekit.data.faults import Faults, named
from edgekit.data.folder import SUFFIXES, images
from edgekit.data.request import TARGETS, Request
from edgekit.data.samples import Span
from edgekit.errors import DataError
from edgekit.safe_io import check_regular, parse_json, reading

SUFFIX = ".tar"
_CLASS = ("cls", "cls.txt")
_JSON = "json"
_KEYS = ("cls", *TARGETS)
_LABEL_BYTES = 1 << 20


@dataclass(kw_only=True)
class _Sample:
    """The members of one name."""

    name: str
    file: Path
    parts: dict[str, Span] = field(default_factory=dict)
    """Its images, or its recordings, by the endings of their names."""
    label: Any = None
    group: Any = None

    @property
    def title(self) -> str:
        """The sample's name in errors."""
        return f"{self.name} in {self.file}"


def load(path: Path, request: Request) -> Dataset:
    """The images or recordings of a `.tar`, or of all of a folder in the order of names.

    The class is the content of a sample's `.cls`, or an entry of its `.json`, which may have the
    sample's group, too. Raises `DataError` that names all samples which cannot be used.
    """
    if len(request.inputs) > 1:
        raise DataError(
            f"{path} holds one part a sample, and the network takes "
            f"{', '.join(request.names)}. Give an entry for each in a folder, a .parquet or by a "
            "loader."
        )
    files = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path]
    faults, found = Faults(), list[_Sample]()
    for file in files:
        with faults.of(str(file)):
            found += _samples(file, request)
    faults.refuse("shards")
    if not found:
        raise DataError(f"{path} has no samples.")
    for each in found:
        with faults.of(each.title):
            _check(each)
    faults.refuse("samples", "Correct or remove them.")
    sources = [next(iter(each.parts.values())) for each in found]
    (one,) = request.inputs
    of_sources = images if one.preprocess.audio is None else recordings.of_sources
    samples = of_sources(sources, [each.title for each in found], one)
    dataset = request.labeled([samples], _labels(found, path), str(path))
    groups = [each.group for each in found]
    return dataset if None in groups else dataset.grouped(groups)


def _samples(file: Path, request: Request) -> list[_Sample]:
    check_regular(file, DataError)
    found: dict[str, _Sample] = {}
    fix = "Give tar files that are not compressed, as WebDataset writes them."
    with (
        reading(file, DataError, kind="a shard", fix=fix),
        tarfile.open(file, "r:") as shard,
    ):
        for name, ending, member in _members(shard):
            one = found.setdefault(name, _Sample(name=name, file=file))
            _add(one, ending, member, shard, request)
    return list(found.values())


def _members(shard: tarfile.TarFile) -> Iterator[tuple[str, str, tarfile.TarInfo]]:
    """The files of a shard: a sample's name, all that follows the name's first dot, the file."""
    for member in shard:
        folder, slash, name = member.name.rpartition("/")
        first, dot, ending = name.partition(".")
        if member.isfile() and not member.issparse() and first and dot:
            yield f"{folder}{slash}{first}", ending.lower(), member


def _add(
    one: _Sample,
    ending: str,
    member: tarfile.TarInfo,
    shard: tarfile.TarFile,
    request: Request,
) -> None:
    """Note what a member is to its sample, if it is anything."""
    audio = request.inputs[0].preprocess.audio is not None
    if f".{ending.rpartition('.')[2]}" in (recordings.SUFFIXES if audio else SUFFIXES):
        one.parts[ending] = Span(
            file=one.file, offset=member.offset_data, size=member.size
        )
    elif ending in (*_CLASS, _JSON):
        with reading(f"{member.name} in {one.file}", DataError, kind="a label"):
            content = _content(member, shard)
            given = (
                parse_json(content) if ending == _JSON else {"cls": _number(content)}
            )
        if isinstance(given, Mapping):
            key = next((key for key in _KEYS if key in given), None)
            one.label = one.label if key is None else given[key]
            one.group = given.get(request.group, one.group)


def _content(member: tarfile.TarInfo, shard: tarfile.TarFile) -> str:
    if member.size > _LABEL_BYTES:
        raise ValueError(f"{member.name} has {member.size:,} bytes, and is a label")
    file = shard.extractfile(member)
    return "" if file is None else file.read().decode("utf-8")


def _number(text: str) -> int | str:
    text = text.strip()
    return int(text) if text.removeprefix("-").isdecimal() else text


def _check(one: _Sample) -> None:
    """Raise `DataError` for a sample that does not have one image or recording."""
    if len(one.parts) == 1:
        return
    what = named(sorted(one.parts)) or "none"
    raise DataError(
        f"{one.title} has not one image or recording ({what}). Store one a sample."
    )


def _labels(found: list[_Sample], path: Path) -> np.ndarray | None:
    labels = [each.label for each in found]
    missing = [each.title for each in found if each.label is None]
    if len(missing) == len(found):
        return None
    if missing:
        raise DataError(
            f"{path} has samples with labels, and {named(missing)} without. Give -1 where a "
            "class is unknown."
        )
    kinds = {type(label) for label in labels}
    if len(kinds) > 1 and not kinds <= {int, float}:
        listed = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise DataError(
            f"{path} has labels of several kinds ({listed}). Give one kind."
        )
    try:
        return np.array(labels)
    except ValueError as error:
        raise DataError(
            f"{path} has labels of different sizes. Give one kind."
        ) from error
