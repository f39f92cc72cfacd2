"""The folder that a package is written to, and checks of its options."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgekit import scratch
from edgekit.errors import OutputError, UsageError
from edgekit.package import UNLICENSED
from edgekit.package.opened import Bundle

_LICENSE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .+()-]{0,100}")


def folder(requested: Path | None, bundle: Bundle, kind: str) -> Path:
    """The folder asked for, or one beside the bundle: `build/host-web`."""
    whole = bundle.folder.resolve()
    return requested or whole.with_name(f"{whole.name}-{kind}")


def license_of(requested: str | None) -> str:
    """The license of the model; raises `UsageError` for another text than an SPDX expression."""
    license = requested or UNLICENSED
    if not _LICENSE.fullmatch(license):
        raise UsageError(
            f"--license {license!r} is not an SPDX expression, such as Apache-2.0."
        )
    return license


def write(out: Path, files: Mapping[str, bytes], *, beside: Sequence[str] = ()) -> None:
    """Write the folder, whole or not at all, over an older package; `beside` names what tools add.

    Raises `OutputError` where it cannot be written, or holds files that are not of such a package.
    """
    _check_place(out, files, beside)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with scratch.folder(out.parent, of=out.name) as partial:
            for name, content in files.items():
                path = partial / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            if out.exists():
                shutil.rmtree(out)
            partial.rename(out)
    except OSError as error:
        raise OutputError(
            f"Cannot write the folder {out} ({error.strerror}). "
            "Change its permissions or name another one with --out."
        ) from error


def _check_place(out: Path, files: Mapping[str, bytes], beside: Sequence[str]) -> None:
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out} is a file. Name another folder with --out.")
    there = out.rglob("*") if out.is_dir() else ()
    for path in there:
        name = path.relative_to(out)
        if name.parts[0] in beside or path.is_dir():
            continue
        if name.as_posix() not in files:
            raise OutputError(
                f"Cannot replace the folder {out}: {name} is not of such a package. "
                "Move it or name another folder with --out."
            )
