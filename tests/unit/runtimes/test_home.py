"""A runtime's name and suffixes stand in its own folder and nowhere else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import edgekit
from edgekit.runtimes import registry

PACKAGE = Path(edgekit.__file__).parent
HOMES = (
    PACKAGE / "runtimes",
    PACKAGE / "agent" / "runtimes",
    PACKAGE / "decoders" / "engines",
)
ALLOWED = {
    ("commands/scaffold.py", ".bin"): "PyTorch's weights, which init looks for",
    ("data/voc.py", ".xml"): "annotations of Pascal VOC",
    ("sources/_foreign.py", ".bin"): "PyTorch's weights",
    ("sources/_foreign.py", ".param"): "a form of files that advice is given for",
    ("sources/_foreign.py", ".pte"): "a form of files that advice is given for",
    ("sources/_foreign.py", ".xml"): "a form of files that advice is given for",
    ("sources/onnx/__init__.py", ".onnx"): "the source's own files, which it reads",
    ("sources/tflite/__init__.py", ".tflite"): "the source's own files, which it reads",
    ("sources/tflite/check.py", "litert"): "the name of a scratch folder",
    ("sources/onnx/file_outputs.py", "onnxruntime"): "the library that runs the source",
}
"""(file, text) -> why a literal that is a runtime's name or suffix means something else there."""


def words() -> set[str]:
    every = registry.known().values()
    return {one.name for one in every} | {s for one in every for s in one.suffixes}


def literals(path: Path) -> set[str]:
    """The strings of a file's code, its documentation left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def sources() -> list[Path]:
    files = PACKAGE.rglob("*.py")
    return sorted(p for p in files if not any(p.is_relative_to(h) for h in HOMES))


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_other_file_has_the_name_or_the_suffix_of_a_runtime(path: Path) -> None:
    name = str(path.relative_to(PACKAGE))
    found = {word for word in literals(path) & words() if (name, word) not in ALLOWED}
    assert not found, f"{name}: use runtimes.registry instead of naming {found}"


def test_what_is_allowed_is_still_there() -> None:
    for name, word in ALLOWED:
        assert word in literals(PACKAGE / name), (name, word)
