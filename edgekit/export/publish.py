"""Files that appear whole or not at all: made beside their place, then renamed into it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from edgekit.errors import OutputError
from edgekit.program.tail import MARK
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
    for file in complete_files(artifact.files):
        if file.is_file():
            file.replace(folder / file.name)
    return replace(artifact, files=files)


def complete_files(files: Sequence[Path]) -> tuple[Path, ...]:
    """Where an artifact lies that ends with its tail, beside the one without of these files."""
    return tuple(file.with_name(f"{file.stem}{MARK}{file.suffix}") for file in files)
