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
    (
        "build",
        "candidates",
        "exports",
        "fit",
        "folding",
        "aim",
        "overhead",
        "preview",
        "prove",
        "job",
        "doctor",
        "scaffold",
        "inspection",
        "slim",
        "teach",
        "board",
        "costing",
        "forecast",
        "together",
        "tune",
        "task",
        "parity",
        "aware",
        "constraints",
        "students",
    ),
    ("prune", "distill", "export", "bench", "package", "report", "project"),
    ("source", "data", "devices", "targets", "calibration", "store"),
    (
        "agent",
        "arguments",
        "authored",
        "bundle_files",
        "child",
        "neighbours",
        "progress",
        "safe_io",
        "toml",
    ),
    ("types", "errors", "shipped", "scratch", "__init__"),
)
DEPTH = {name: depth for depth, names in enumerate(LAYERS) for name in names}
STAGES = ("prune", "distill", "export", "bench", "package", "report")


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """The rooms of EdgeKit that a file imports, wherever in the file it does."""
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
        assert DEPTH[other] > DEPTH[here] or (
            DEPTH[other] == DEPTH[here] and here not in STAGES
        ), f"{path.name} ({here}) imports {other}, which is not below it"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_stages_do_not_import_each_other(path: Path) -> None:
    here = room(path)
    if here in STAGES:
        assert not imported(path) & (set(STAGES) - {here})


def test_the_agent_stands_alone() -> None:
    for path in (PACKAGE / "agent").rglob("*.py"):
        assert imported(path) <= {"agent"}, path
        assert "edgekit" not in {
            alias.name.split(".")[0]
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Import)
            for alias in node.names
        }, f"{path} must use relative imports: it is packed without the rest"
