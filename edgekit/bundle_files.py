"""The validated parts of a bundle's folder: JSON of a known shape, and files that its manifest
lists.

A bundle may come from anywhere. Its paths are relative and lead nowhere else, nothing in it is a
link, and every file has the hash that `manifest.json` gives.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, TypeVar

from annotated_types import Ge, MinLen
from pydantic import AfterValidator, ConfigDict, TypeAdapter

from edgekit.errors import UsageError
from edgekit.safe_io import ErrorKind, parse_json, read_bytes, reading
from edgekit.types import (
    DEFAULT_TASK,
    DecoderCode,
    IOFusion,
    Preprocess,
    RuntimeName,
    TaskKind,
    Text,
    TextContract,
)

MANIFEST, REPORT = "manifest.json", "report.json"
_FIX = "Build it again."
_LONGEST_NAME = 255
"""Bytes of a file's name, as file systems have it."""
_CONFIG = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)
T = TypeVar("T")


def _date(text: str) -> str:
    datetime.fromisoformat(text).timestamp()  # raises ValueError for an invalid date
    return text


@dataclass(frozen=True, kw_only=True)
class FileEntry:
    """One file of a bundle, as its manifest vouches for it."""

    path: Text
    sha256: Text
    size_bytes: Annotated[int, Ge(0)]


@dataclass(frozen=True, kw_only=True)
class ChosenModel:
    """The chosen artifact of a bundle."""

    artifact: Text
    runtime: RuntimeName
    precision: str | None
    runtime_options: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Preprocessing(Preprocess):
    """The preprocessing of a bundle, with its formula in words."""

    formula: str | None = None


@dataclass(frozen=True, kw_only=True)
class BundleTensor:
    """One input or output of a bundle's model."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    layout: str | None = None
    preprocessing: Preprocessing | None = None
    """Of an input; `None` of an output."""


@dataclass(frozen=True, kw_only=True)
class Contract:
    """Inputs and outputs of a model, as manifests and artifacts describe them."""

    preprocessing: Preprocessing | None = None
    labels: tuple[str, ...] | None = None
    task: TaskKind = DEFAULT_TASK
    folded: IOFusion | None = None
    inputs: tuple[BundleTensor, ...] = ()
    outputs: tuple[BundleTensor, ...] = ()
    text: TextContract | None = None
    """From a text to the inputs; `None` for other samples."""
    reads: tuple[str, ...] = ()
    """Outputs that `task` and `labels` are about, of a model with several."""
    decoder_code: DecoderCode | None = None
    """The author's own decoder, which the bundle brings."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Fields of `manifest.json` that readers rely on."""

    project: Text
    target: Text
    created: Annotated[str, AfterValidator(_date)]
    source_sha256: str
    model: ChosenModel
    contract: Contract
    files: Annotated[tuple[FileEntry, ...], MinLen(1)]
    versions: Mapping[str, str]
    schema_version: Literal[3] = 3


@dataclass(frozen=True, kw_only=True)
class _Input:
    layout: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Artifact:
    name: Text
    runtime: RuntimeName
    precision: str | None
    files: Annotated[tuple[str, ...], MinLen(1)]
    inputs: tuple[_Input, ...] = ()
    runtime_options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    artifact: _Artifact


@dataclass(frozen=True, kw_only=True)
class _Target:
    image: Text
    threads: Annotated[int, Ge(1)]


@dataclass(frozen=True, kw_only=True)
class ReportFiles:
    """The parts of `report.json` that lead to files and processes."""

    candidates: tuple[_Candidate, ...]
    target: _Target
    converted: tuple[_Candidate, ...] = ()


def read_json_as(
    path: Path, kind: type[T], error: ErrorKind, *, fix: str = _FIX
) -> tuple[dict[str, Any], T]:
    """The JSON object at `path`, and the dataclass `kind` that it must be."""
    content = read_bytes(path, error)
    with reading(path, error, fix=fix):
        document: dict[str, Any] = parse_json(content)
        return document, validated(kind, content)


def validated(kind: type[T], content: bytes | str) -> T:
    """The dataclass that a JSON text describes, strictly; raises pydantic's `ValidationError`."""
    # In a tuple, because pydantic lets no caller configure a dataclass by itself.
    adapter = TypeAdapter(tuple[kind], config=_CONFIG)  # type: ignore[valid-type]
    text = content if isinstance(content, str) else content.decode()
    found: T = adapter.validate_json(f"[{text}]")[0]
    return found


def read_manifest(folder: Path) -> tuple[dict[str, Any], Manifest]:
    """`manifest.json` as JSON and as what readers count on; raises `UsageError`."""
    document, manifest = read_json_as(folder / MANIFEST, Manifest, UsageError)
    for name in (*(entry.path for entry in manifest.files), *manifest.model.files):
        inside(folder, name)
    return document, manifest


def inside(folder: Path, name: str) -> Path:
    """The file `name` of a bundle; raises `UsageError` for one that leads out of it."""
    path = PurePosixPath(name)
    if (
        path.is_absolute()
        or not path.parts
        or ".." in path.parts
        or set(name) & set("\\\0\n")
        or any(len(p.encode("utf-8", "replace")) > _LONGEST_NAME for p in path.parts)
    ):
        raise UsageError(
            f"{folder} names the file {name[:120]!r}, which is not inside it. {_FIX}"
        )
    place = folder
    for part in path.parts:
        place = place / part
        if place.is_symlink():
            raise UsageError(
                f"{place} is a link, and a bundle holds files alone. {_FIX}"
            )
    return place


def vouched(folder: Path, manifest: Manifest, names: Iterable[str]) -> list[Path]:
    """The files of these names, each as the manifest lists it; raises `UsageError`."""
    listed = {entry.path: entry for entry in manifest.files}
    found = []
    for name in names:
        path = inside(folder, name)
        entry = listed.get(PurePosixPath(name).as_posix())
        if entry is None:
            raise UsageError(
                f"{folder / name} is not in {folder / MANIFEST}, which lists a bundle's files. "
                f"{_FIX}"
            )
        with reading(path, UsageError, fix=_FIX), path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if (digest, path.stat().st_size) != (entry.sha256, entry.size_bytes):
            raise UsageError(f"{path} differs from {folder / MANIFEST}. {_FIX}")
        found.append(path)
    return found


def read_report(folder: Path, manifest: Manifest) -> dict[str, Any]:
    """`report.json`, vouched for, with every file it names; raises `UsageError`."""
    vouched(folder, manifest, [REPORT])
    document, report = read_json_as(folder / REPORT, ReportFiles, UsageError)
    for candidate in (*report.candidates, *report.converted):
        vouched(folder, manifest, candidate.artifact.files)
    return document
