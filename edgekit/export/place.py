"""Files that appear whole or not at all: made beside their place, then renamed into it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from edgekit.errors import OutputError
from edgekit.types import Artifact


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """A folder inside `folder` to work in, gone afterwards."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder))
    except OSError as error:
        raise OutputError(
            f"Cannot write to {folder} ({error.strerror}). Choose a folder that can be written."
        ) from error
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def publish(artifact: Artifact, folder: Path) -> Artifact:
    """Move an artefact's files into `folder`, the one its runtime opens last."""
    files = tuple(folder / file.name for file in artifact.files)
    for file, place in reversed(list(zip(artifact.files, files, strict=True))):
        file.replace(place)
    return replace(artifact, files=files)
