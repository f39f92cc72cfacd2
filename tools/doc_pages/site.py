"""Every generated page, and the folders that hold nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from edgekit import error_pages
from tools.doc_pages import commands, parts, plots, toml

DOCS = Path(__file__).parents[2] / "docs"
CONFIG = DOCS.parent / "mkdocs.yml"
_NAV = re.compile(
    r"(?<=# begin of made pages\n).*(?=      # end of made pages\n)", re.S
)
FOLDERS = ("commands", "toml", "targets", "runtimes", "tasks")


def generated() -> dict[str, str]:
    """The text of each generated page by its name below `docs/`."""
    rooms = (commands.pages(), toml.pages(), parts.pages(), plots.plots())
    made = {name: text for pages in rooms for name, text in pages}
    return made | {"errors.md": error_pages.document()}


def stale() -> list[str]:
    """Names of pages that differ from the code, are missing, or have no part any more."""
    made = generated()
    lying = {
        str(p.relative_to(DOCS)) for room in FOLDERS for p in DOCS.glob(f"{room}/*")
    }
    other = [name for name, text in made.items() if _written(name) != text]
    nav = (
        [] if _configured(made) == CONFIG.read_text(encoding="utf-8") else [CONFIG.name]
    )
    return sorted({*other, *(lying - {*made}), *nav})


def write() -> None:
    """Bring `docs/` up to date."""
    made = generated()
    for name in stale():
        if name == CONFIG.name:
            CONFIG.write_text(_configured(made), encoding="utf-8")
        elif name in made:
            (DOCS / name).parent.mkdir(exist_ok=True)
            (DOCS / name).write_text(made[name], encoding="utf-8")
        else:
            (DOCS / name).unlink()


def _written(name: str) -> str | None:
    file = DOCS / name
    return file.read_text(encoding="utf-8") if file.is_file() else None


def _configured(made: Iterable[str]) -> str:
    """`mkdocs.yml` with each generated page in its navigation."""
    lines = "".join(f"      {line}\n" for line in _navigation(sorted(made)))
    return _NAV.sub(lambda _: lines, CONFIG.read_text(encoding="utf-8"))


def _navigation(made: list[str]) -> Iterator[str]:
    for room in FOLDERS:
        title = "edgekit.toml" if room == "toml" else room.capitalize()
        yield f"- {title}:"
        yield f"    - {room}/index.md"
        for name in made:
            if name.startswith(f"{room}/") and not name.endswith("index.md"):
                yield f"    - {name}"
