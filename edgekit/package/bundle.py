"""The folder a build leaves: it appears whole or not at all, and `manifest.json` vouches for it."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from edgekit import scratch
from edgekit.bundle_files import MANIFEST, read_manifest
from edgekit.errors import OutputError, UsageError
from edgekit.types import (
    DEFAULT_TASK,
    Artifact,
    DecoderCode,
    IOFusion,
    Preprocess,
    Report,
    TaskKind,
    TensorSpec,
    TextContract,
)

SCHEMA_VERSION = 3
_WRITE_BITS = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
FORMULA = "(value / scale - mean) / std, by channel"


@dataclass(frozen=True, kw_only=True)
class IOContract:
    """Input of the model, and the reading of its output, for an application."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    preprocess: tuple[Preprocess, ...]
    """Of each input."""
    reads: tuple[str, ...] = ()
    """Outputs that `task` and `labels` are about, of a model with several."""
    labels: tuple[str, ...] | None = None
    """Names of the classes in the order of the output; `None` where the data names none."""
    task: TaskKind = DEFAULT_TASK
    folding: IOFusion = field(default_factory=IOFusion)
    """Steps that the files do themselves: `preprocess` is the remainder for the application."""
    text: TextContract | None = None
    """From a text to the inputs; `None` for other samples."""
    decoder: Mapping[str, Any] | None = None
    """From the output to boxes, see `agent.serving.boxes`; `None` where it has none."""
    decoder_code: DecoderCode | None = None
    """The same by the user's own function, which the bundle brings."""


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder` that takes its place when the block succeeds.

    Enter it before the work, so that a folder that cannot be written costs nothing. Paths into
    the new folder are void once it has been renamed. Whatever ends the block early (an error,
    Ctrl-C) leaves `folder` as it was and nothing beside it. Raises `OutputError` where the place
    cannot be written, or holds files that no manifest lists: nobody's own work is deleted.
    """
    folder = folder.resolve()
    scratch.sweep(folder.parent)
    _recover(folder)
    check_place(folder)
    existing = _nearest(folder)
    with ExitStack() as stack:
        stack.callback(_remove_empty, folder.parent, until=existing)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            made = scratch.folder(folder.parent, of=folder.name)
            partial = stack.enter_context(made)
        except OSError as error:
            raise OutputError(_unwritable(folder, error.strerror)) from error
        try:
            yield partial
            _swap(partial, folder)
        except (OSError, RuntimeError) as error:
            if not scratch.full(error):
                raise
            reason = getattr(error, "strerror", None) or "the disk is full"
            raise OutputError(
                f"Cannot write the folder {_where(error, partial, folder)} ({reason}). "
                "Free some space or name a folder on another disk."
            ) from error


def place(artifact: Artifact, folder: Path, *, stem: str) -> Artifact:
    """Copy an artifact's files into `folder` with `stem` for a name: `model.tflite`, `model.xml`.

    A companion that its runtime finds by the common stem (`.bin` of `.xml`) is renamed with it;
    any other keeps the name that the model's file refers to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    old = artifact.files[0].stem
    files = tuple(
        folder / (f"{stem}{file.suffix}" if file.stem == old else file.name)
        for file in artifact.files
    )
    for source, copy in zip(artifact.files, files, strict=True):
        shutil.copyfile(source, copy)
    return replace(artifact, files=files)


def write_manifest(
    folder: Path,
    *,
    report: Report,
    chosen: Artifact,
    contract: IOContract,
    source_hash: str,
    versions: Mapping[str, str],
) -> Path:
    """Write `manifest.json` over every other file in `folder`; call it last.

    `chosen` is the artifact as it lies in `folder`. `source_hash` names the trained network
    (SHA-256), `versions` EdgeKit and the libraries that made the files.
    """
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "project": report.project,
        "target": report.target.name,
        "created": report.created,
        "verdict": report.verdict,
        "source_sha256": source_hash,
        "versions": dict(sorted(versions.items())),
        "model": {
            "artifact": chosen.name,
            "runtime": chosen.runtime,
            "precision": chosen.precision,
            "runtime_options": asdict(chosen.runtime_options),
            "quant_config": asdict(chosen.quantized.quant_config)
            if chosen.quantized
            else None,
            "files": [file.relative_to(folder).as_posix() for file in chosen.files],
        },
        "contract": described(contract),
        "files": [_entry(folder, file) for file in _files(folder)],
    }
    path = folder / MANIFEST
    path.write_text(json.dumps(manifest, indent=2, allow_nan=False) + "\n", "utf-8")
    return path


def check(folder: Path) -> list[str]:
    """Differences between `folder` and its manifest, one line each; empty where all is well."""
    _, manifest = read_manifest(folder)
    expected = {entry.path: asdict(entry) for entry in manifest.files}
    found = {
        entry["path"]: entry for entry in (_entry(folder, f) for f in _files(folder))
    }
    return [
        *(
            f"{file.relative_to(folder).as_posix()}: a link"
            for file in sorted(folder.rglob("*"))
            if file.is_symlink()
        ),
        *(f"{path}: missing" for path in sorted(expected.keys() - found.keys())),
        *(
            f"{path}: not in the manifest"
            for path in sorted(found.keys() - expected.keys())
        ),
        *(
            f"{path}: differs from the manifest"
            for path in sorted(expected.keys() & found.keys())
            if expected[path] != found[path]
        ),
    ]


# --- the manifest -----------------------------------------------------------------------------


def _files(folder: Path) -> list[Path]:
    return sorted(
        file
        for file in folder.rglob("*")
        if file.is_file() and file != folder / MANIFEST
    )


def _entry(folder: Path, file: Path) -> dict[str, Any]:
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {
        "path": file.relative_to(folder).as_posix(),
        "sha256": digest,
        "size_bytes": file.stat().st_size,
    }


def _steps(how: Preprocess) -> dict[str, Any]:
    given = {"formula": FORMULA, **asdict(how)}
    if how.audio is None:
        del given["audio"]
    return given


def described(contract: IOContract) -> dict[str, Any]:
    """The contract as JSON, as it stands in the manifest and in the artifacts.

    `preprocessing` is that of the only input; of several each has its own.
    """
    steps = [_steps(how) for how in contract.preprocess]
    return {
        "inputs": [
            {**asdict(tensor), "preprocessing": prepared}
            for tensor, prepared in zip(contract.inputs, steps, strict=True)
        ],
        "outputs": [asdict(tensor) for tensor in contract.outputs],
        "reads": list(contract.reads),
        "preprocessing": steps[0] if len(steps) == 1 else None,
        "labels": None if contract.labels is None else list(contract.labels),
        **({} if contract.decoder is None else {"decoder": dict(contract.decoder)}),
        **(
            {}
            if contract.decoder_code is None
            else {"decoder_code": asdict(contract.decoder_code)}
        ),
        "task": contract.task,
        "folded": None if contract.folding == IOFusion() else asdict(contract.folding),
        "text": None if contract.text is None else asdict(contract.text),
    }


# --- the folder -------------------------------------------------------------------------------


def check_place(folder: Path) -> None:
    """Raise `OutputError` where a bundle could not take the place of `folder`."""
    for part in (folder, *folder.parents):
        if part.exists() and not part.is_dir():
            raise OutputError(
                f"Cannot write the folder {folder}: {part} is a file. "
                "Remove it or name another folder."
            )
    for part in (_nearest(folder), folder):
        # Root may write anywhere, but a folder without one write bit was closed on purpose.
        if part.is_dir() and (
            not part.stat().st_mode & _WRITE_BITS
            or not os.access(part, os.W_OK | os.X_OK)
        ):
            raise OutputError(_unwritable(folder, f"{part} is read-only"))
    strangers = _strangers(folder) if folder.is_dir() else []
    if strangers:
        raise OutputError(
            f"Cannot replace the folder {folder}: {strangers[0]} was not written by EdgeKit. "
            "Move it or name another folder."
        )


def _strangers(folder: Path) -> list[str]:
    """Files in `folder` that its manifest does not list, so that nobody's own work is deleted."""
    try:
        _, manifest = read_manifest(folder)
        known = {entry.path for entry in manifest.files}
    except UsageError:
        known = set()
    found = [file.relative_to(folder).as_posix() for file in _files(folder)]
    if not known and (folder / MANIFEST).is_file():
        found.append(MANIFEST)
    return [path for path in found if path not in known]


def _unwritable(folder: Path, reason: str | None) -> str:
    return (
        f"Cannot write the folder {folder} ({reason}). "
        "Change its permissions or name another folder."
    )


def _nearest(folder: Path) -> Path:
    """The nearest parent of `folder` that exists."""
    return next(parent for parent in folder.absolute().parents if parent.exists())


def _remove_empty(folder: Path, *, until: Path) -> None:
    """Remove the parents that were made for a folder that never came."""
    while folder != until and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _where(error: BaseException, partial: Path, folder: Path) -> Path:
    """The folder on the disk that is full: the bundle's, or that of a file elsewhere."""
    named = getattr(error, "filename", None)
    if not isinstance(named, str | Path) or Path(named).is_relative_to(partial):
        return folder
    return Path(named).parent


def _swap(new: Path, folder: Path) -> None:
    """Put `new` in the place of `folder`, at once where the disk can exchange two names.

    Where it cannot, the old one waits beside it, for `_recover`.
    """
    if not folder.exists():
        new.rename(folder)
    elif not _exchange(new, folder):
        with scratch.locked(folder):
            old = _previous(folder)
            folder.rename(old)
            try:
                new.rename(folder)
            except BaseException:
                old.rename(folder)
                raise
            shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Return whether the two have taken each other's names."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    paths = (os.fsencode(one), os.fsencode(other))
    here, exchange = ctypes.c_int(-100), ctypes.c_uint(2)
    if libc.renameat2(here, paths[0], here, paths[1], exchange) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL):
        return False
    raise OSError(code, os.strerror(code), str(other))


def _previous(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.edgekit-previous")


def _recover(folder: Path) -> None:
    """Finish what a process that was killed while it swapped began."""
    old = _previous(folder)
    with scratch.locked(old) as ours:
        if not ours:
            return
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(folder)
