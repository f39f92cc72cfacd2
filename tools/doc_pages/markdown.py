"""Small pieces of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

MADE = "<!-- Made by `python -m tools.doc_pages`: change the code, not this page. -->"
_EXAMPLE = re.compile(r"(?:^ {4}\S.*\n?)+", re.M)


def page(title: str, *parts: str) -> str:
    """A generated page; empty parts are left out."""
    return (
        "\n\n".join((MADE, f"# {title}", *(p.strip("\n") for p in parts if p))) + "\n"
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; empty without rows."""
    lines = [" | ".join(map(_cell, row)) for row in rows]
    if not lines:
        return ""
    return "\n".join(
        (
            f"| {' | '.join(heads)} |",
            f"|{'---|' * len(heads)}",
            *(f"| {x} |" for x in lines),
        )
    )


def bullets(lines: Iterable[str]) -> str:
    """A list."""
    return "\n".join(f"* {line}" for line in lines)


def prose(docstring: str) -> str:
    """A docstring as Markdown: indented examples become blocks of a shell."""
    return _EXAMPLE.sub(lambda found: _fenced(found[0]), docstring).strip()


def _fenced(block: str) -> str:
    lines = "\n".join(line[4:] for line in block.rstrip("\n").splitlines())
    return f"```sh\n{lines}\n```\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|") or "–"
