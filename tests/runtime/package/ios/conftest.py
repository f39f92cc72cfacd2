"""A parser of Swift."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgekit.store import Store, key

PINS = Path(__file__).parent / "requirements.txt"
Faults = Callable[[str], list[str]]


@pytest.fixture(scope="module")
def faults() -> Iterator[Faults]:
    """The lines that tree-sitter's grammar of Swift does not read, of a text."""

    def write(place: Path) -> None:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        subprocess.run(
            [*command, "--require-hashes", "--target", str(place), "-r", str(PINS)],
            check=True,
            timeout=300,
            capture_output=True,
        )

    try:
        folder = Store().keep("swift-parser", key(PINS.read_text()), write)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"needs tree-sitter-swift: {error.stderr.decode()[-200:]}")
    sys.path.insert(0, str(folder))
    import tree_sitter  # type: ignore[import-not-found]
    import tree_sitter_swift  # type: ignore[import-not-found]

    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_swift.language()))

    def of_node(node: Any) -> Iterator[str]:
        if node.type == "ERROR" or node.is_missing:
            yield f"line {node.start_point[0] + 1}: {node.text[:60]}"
        for child in node.children:
            yield from of_node(child)

    yield lambda text: list(of_node(parser.parse(text.encode()).root_node))
    sys.path.remove(str(folder))
