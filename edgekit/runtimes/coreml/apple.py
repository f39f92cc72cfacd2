"""Core ML in applications of Apple's systems: a package's files, for an application's resources."""

from __future__ import annotations

from pathlib import Path

from edgekit.runtimes.coreml import archive

FOLDER = archive.FOLDER
PREFERRED = "fp16"
"""The default of Core ML's own converter."""


def files(path: Path) -> dict[str, bytes]:
    """The files of the package at `path`, by their path in its folder."""
    return archive.read(path)
