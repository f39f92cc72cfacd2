"""Files like those of the kernel."""

from __future__ import annotations

from pathlib import Path


def write(folder: Path, **files: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(f"{content}\n")
    return folder
