"""Results of a build, for people (HTML, terminal) and for pipelines (JSON)."""

from __future__ import annotations

from pathlib import Path

from edgekit.errors import OutputError
from edgekit.report.document import to_json, to_text
from edgekit.report.html import to_html
from edgekit.report.note_words import sentence
from edgekit.report.terminal import summary
from edgekit.types import Report

__all__ = ["sentence", "summary", "to_html", "to_json", "write"]


def write(report: Report, folder: Path) -> tuple[Path, ...]:
    """Write `report.json` and `report.html` (one file, no network) into `folder`."""
    pages = {"report.json": to_text(report), "report.html": to_html(report)}
    paths = []
    for name, text in pages.items():
        path = folder / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise OutputError(
                f"Cannot write {path} ({error.strerror}). "
                "Check the folder's permissions and free space."
            ) from error
        paths.append(path)
    return tuple(paths)
