"""Files that appear whole or not at all: made beside their place, then renamed into it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from edgekit.errors import OutputError
from edgekit.scratch import folder as scratch_folder
from edgekit.types import Artifact


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """A folder inside `folder` to work in, gone afterwards."""
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            place = stack.enter_context(scratch_folder(folder))
        except OSError as error:
            raise OutputError(
                f"Cannot write to {folder} ({error.strerror}). "
                "Choose a folder that can be written."
            ) from error
        yield place


def publish(artifact: Artifact, folder: Path) -> Artifact:
    """Move an artifact's files into `folder`, the one its runtime opens last."""
    files = tuple(folder / file.name for file in artifact.files)
    for file, place in reversed(list(zip(artifact.files, files, strict=True))):
        file.replace(place)
    return replace(artifact, files=files)
