"""Imports point down only: the architecture as a test."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import edgekit

PACKAGE = Path(edgekit.__file__).parent
LAYERS = (
    ("__main__",),
    ("cli",),
    ("commands",),
    ("api",),
    ("pipeline",),
    ("diff",),
    ("prune", "distill", "export", "bench", "package", "decoders"),
    ("evaluate", "cost", "report"),
    ("graph", "data", "sources", "devices"),
    ("config",),
    ("tasks",),
    ("runtimes",),
    ("program", "store", "progress", "agent", "bundle_files"),
    ("types", "arguments", "neighbors"),
    ("safe_io", "scratch", "child", "plugins", "error_pages"),
    ("errors", "suggestions"),
    ("__init__",),
)
"""Rooms from the top; those of one row do not import each other."""
DEPTH = {name: depth for depth, names in enumerate(LAYERS) for name in names}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """The rooms of EdgeKit that a file imports, `TYPE_CHECKING` and functions counted."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            if node.module == "edgekit":
                names = [f"edgekit.{alias.name}" for alias in node.names]
            else:
                names = [node.module]
        for name in names:
            if name == "edgekit":
                rooms.add("__init__")
            elif name.startswith("edgekit."):
                first = name.split(".")[1]
                rooms.add(first if first in DEPTH else "__init__")
    return rooms


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    here = room(path)
    assert here in DEPTH, f"{here} has no layer: give it one in LAYERS"
    for other in imported(path) - {here}:
        assert DEPTH[other] > DEPTH[here], (
            f"{path.name} ({here}) imports {other}, which is not below it"
        )


def _imports() -> dict[str, set[str]]:
    """Every module's imports of other modules of EdgeKit, by dotted name."""
    files = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(
            ".__init__"
        ): path
        for path in modules()
    }
    found: dict[str, set[str]] = {name: set() for name in files}
    for name, path in files.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    found[name].add(inner if inner in files else node.module)
    return {name: (others & set(files)) - {name} for name, others in found.items()}


def test_no_module_imports_itself_through_others() -> None:
    imports = _imports()

    def reached(start: str) -> set[str]:
        seen, ahead = set(), [start]
        while ahead:
            new = imports[ahead.pop()] - seen
            seen |= new
            ahead.extend(new)
        return seen

    below = {name: reached(name) for name in imports}
    cycles = {
        frozenset(other for other in others if name in below[other])
        for name, others in below.items()
        if name in others
    }
    assert not cycles, f"import cycles: {[sorted(c) for c in cycles]}"


def test_the_agent_stands_alone() -> None:
    for path in (PACKAGE / "agent").rglob("*.py"):
        assert imported(path) <= {"agent"}, path
        assert "edgekit" not in {
            alias.name.split(".")[0]
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Import)
            for alias in node.names
        }, f"{path} must use relative imports: it is packed without the rest"
