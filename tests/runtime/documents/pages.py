"""A page of the documentation as the blocks that its reader goes through."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.unit.test_habits import DOCUMENTS, ROOT

FENCE = re.compile(r"^( *)```(\S*)[ \t]*\n(.*?)^\1```[ \t]*$", re.S | re.M)
HEADING = re.compile(r"^#+ (.*)$", re.M)
RUN = ("sh", "toml", "python")
"""Languages of blocks that a reader types, writes or runs; others are output and trees of files."""
DEFINING = {"model": "source", "data": "train", "task": "kind"}
"""Keys by which a table of `edgekit.toml` is of another network, other data or another task."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """A block between fences, with the heading and the line it stands at."""

    language: str
    text: str
    heading: str
    line: int

    @property
    def file(self) -> str | None:
        """The file that a block is saved as, where its first line names it."""
        found = re.match(r"# (\w+\.(?:py|toml))\n", self.text)
        return found[1] if found else None

    @property
    def commands(self) -> list[str]:
        """The lines of a shell block without comments, continued lines joined."""
        lines = self.text.replace("\\\n", " ").splitlines()
        typed = (line.partition(" #")[0].strip() for line in lines)
        return [line for line in typed if line]


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page in its order, those inside of a folded part too."""
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        before = text[: found.start()]
        headings = HEADING.findall(FENCE.sub("", before))
        yield Block(
            language=found[2],
            text=textwrap.dedent(found[3]),
            heading=headings[-1] if headings else "",
            line=before.count("\n") + 1,
        )


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


WHOLE = {
    "docs/tutorials/savedmodel.md": "needs TensorFlow; its sources have tests of their own",
}
"""Pages of which nothing runs here, and why."""
PAGES = [
    page
    for page in DOCUMENTS
    if name(page) not in WHOLE and any(b.language in RUN for b in blocks(page))
]
"""Pages with something to do."""


def commands() -> Iterator[str]:
    """Every command of every page."""
    for page in PAGES:
        for block in blocks(page):
            if block.language == "sh":
                yield from block.commands


def merged(file: Mapping[str, Any], block: Mapping[str, Any]) -> dict[str, Any]:
    """`file` after a reader has entered `block`.

    A block with a network and data is the whole file. One that names another network, other data
    or another task takes the place of that table, and every other adds its keys to its tables.
    """
    if all(DEFINING[table] in block.get(table, {}) for table in ("model", "data")):
        return dict(block)
    entered = dict(file)
    for key, value in block.items():
        both = isinstance(value, dict) and isinstance(entered.get(key), dict)
        another = both and DEFINING.get(key) in value
        entered[key] = merged(entered[key], value) if both and not another else value
    return entered


def layered(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Both documents; where both have a key, that of `over`."""
    both = {
        key: layered(under[key], value)
        for key, value in over.items()
        if isinstance(value, dict) and isinstance(under.get(key), dict)
    }
    return {**under, **over, **both}


def dumped(document: Mapping[str, Any]) -> str:
    """TOML of a document, a line for each table."""
    return "".join(f"{key} = {_inline(value)}\n" for key, value in document.items())


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        inner = (f"{json.dumps(k)} = {_inline(each)}" for k, each in value.items())
        return f"{{ {', '.join(inner)} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    return json.dumps(value, ensure_ascii=False)
