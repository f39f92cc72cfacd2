"""Habits of the code base as tests; run with `-s` to see the figures."""

from __future__ import annotations

import ast
import re
import statistics
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

import edgekit
from edgekit.cli import app
from tools.doc_pages import site

PACKAGE = Path(edgekit.__file__).parent
ROOT = PACKAGE.parent
TESTS = ROOT / "tests"
KINDS = ("unit", "runtime", "device", "gpu", "robustness")
"""Folders of tests, by the machine they need; each mirrors `edgekit/`."""
MODULES = [
    path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.name not in ("__init__.py", "__main__.py")
]
MIRRORED = 0.95
"""Fraction of modules with a test file of their name in the mirrored folder: records without a
method may do without."""

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def definitions(
    node: ast.AST, *, public: bool = True
) -> Iterator[tuple[Definition, bool]]:
    """Functions and classes with whether users may call them; those in functions are not."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Definition):
            open_ = public and not child.name.startswith("_")
            yield child, open_
            yield from definitions(
                child, public=open_ and isinstance(child, ast.ClassDef)
            )
        else:
            yield from definitions(child, public=public)


def _parsed() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def test_functions_and_files_are_small() -> None:
    lengths = sorted(
        (found.end_lineno or 0) - found.lineno + 1
        for _, tree in _parsed()
        for found, _ in definitions(tree)
        if not isinstance(found, ast.ClassDef)
    )
    ninth = lengths[int(0.9 * len(lengths))]
    sizes = {
        path: len(path.read_text(encoding="utf-8").splitlines())
        for path in PACKAGE.rglob("*.py")
    }
    largest = max(sizes, key=lambda path: sizes[path])
    print(
        f"\nfunctions: {len(lengths)}, median {statistics.median(lengths):g} lines, ninth decile "
        f"{ninth}; files: {len(sizes)}, largest {largest.name} with {sizes[largest]} lines"
    )
    assert ninth <= 25
    assert sizes[largest] <= 430, f"{largest} has {sizes[largest]} lines"


def _overload(found: Definition) -> bool:
    return any(getattr(one, "id", "") == "overload" for one in found.decorator_list)


def test_public_names_are_documented() -> None:
    missing = [
        f"{path.relative_to(ROOT)}:{found.lineno}: {found.name}"
        for path, tree in _parsed()
        for found, public in definitions(tree)
        if public and not _overload(found) and not ast.get_docstring(found)
    ]
    missing += [
        f"{path.relative_to(ROOT)}: the module"
        for path, tree in _parsed()
        if not ast.get_docstring(tree)
    ]
    assert not missing, "without a docstring:\n" + "\n".join(missing)


def test_a_type_states_what_is_not_none() -> None:
    """A narrower class, a required argument or a property that raises, instead of an assertion."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in _parsed()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert) and "is not None" in ast.unparse(node.test)
    ]
    assert not found, "\n".join(found)


def mirrors(path: Path) -> list[Path]:
    """Where the tests of a module may lie."""
    inner = path.relative_to(PACKAGE).with_name(f"test_{path.name}")
    return [TESTS / kind / inner for kind in KINDS]


def test_modules_have_tests_of_their_name() -> None:
    without = [
        str(path.relative_to(ROOT))
        for path in MODULES
        if not any(test.exists() for test in mirrors(path))
    ]
    fraction = 1 - len(without) / len(MODULES)
    print(f"\nmodules with a test of their name: {fraction:.1%} of {len(MODULES)}")
    assert fraction >= MIRRORED, "\n".join(without)


@pytest.mark.parametrize("name", ["DECISIONS.md", "CHANGELOG.md", "CONTRIBUTING.md"])
def test_headings_are_there_once(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    headings = Counter(line for line in text.splitlines() if line.startswith("#"))
    assert not [line for line, count in headings.items() if count > 1]


def commands() -> dict[str, set[str]]:
    """Every command of the command line with its options."""
    whole = typer.main.get_command(app)
    found: dict[str, set[str]] = {}

    def visit(command: Any, name: str) -> None:
        inner = getattr(command, "commands", None)
        if inner is not None:
            for key, each in inner.items():
                visit(each, f"{name} {key}".strip())
        options = {
            option
            for parameter in command.get_params(command.context_class(command))
            for option in (*parameter.opts, *parameter.secondary_opts)
            if option.startswith("-")
        }
        found[name] = options | {"-h", "--help"}

    visit(whole, "")
    return found


PINNED = TESTS / "unit" / "commands.txt"


def test_commands_and_options_are_pinned() -> None:
    """A changed command line is a decision: write the new one to `tests/unit/commands.txt`."""
    lines = [
        f"edgekit {name} {' '.join(sorted(options))}".replace("  ", " ")
        for name, options in sorted(commands().items())
    ]
    assert lines == PINNED.read_text(encoding="utf-8").splitlines()


def shell_lines(text: str) -> Iterator[str]:
    """The commands in the shell blocks of a Markdown text, continued lines joined."""
    for block in re.findall(r"```sh\n(.*?)```", text, re.S):
        yield from block.replace("\\\n", " ").splitlines()


DOCUMENTS = [
    path
    for path in (
        *ROOT.glob("*.md"),
        *(ROOT / "examples").glob("*/README.md"),
        *sorted((ROOT / "docs").rglob("*.md")),
    )
    if path.name != "DECISIONS.md"
]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_documents_name_commands_and_options_that_exist(path: Path) -> None:
    known = commands()
    for line in shell_lines(path.read_text(encoding="utf-8")):
        for call in re.findall(r"(?:^|[\s;])edgekit\s+([^#&|>]*)", line):
            words = call.split()
            name = " ".join(words[:2]) if " ".join(words[:2]) in known else words[0]
            assert name in known, f"{path.name}: edgekit {call}"
            options = {word.split("=")[0] for word in words if word.startswith("--")}
            assert options <= known[name], f"{path.name}: edgekit {call}"
        for target in re.findall(r"^make ([a-z-]+)", line):
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M)


def python_blocks(path: Path) -> list[str]:
    """The blocks of Python in a Markdown file, those inside of a folded part too."""
    text = path.read_text(encoding="utf-8")
    found = re.findall(r"^( *)```python\n(.*?)^ *```", text, re.S | re.M)
    return [textwrap.dedent(block) for _, block in found]


def test_python_in_documents_names_what_the_library_has() -> None:
    assert python_blocks(ROOT / "README.md")
    for block in (block for path in DOCUMENTS for block in python_blocks(path)):
        used = {
            node.attr
            for node in ast.walk(ast.parse(block))
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "ek"
        }
        assert used <= set(edgekit.__all__), used - set(edgekit.__all__)


def test_generated_pages_are_fresh() -> None:
    assert not site.stale(), "run: python -m tools.doc_pages"


def test_the_checks_name_files_of_tests_that_are_there() -> None:
    named = [
        word
        for file in (".ci/run", "Makefile")
        for word in re.findall(r"\btests/[\w/]+(?:\.py)?", (ROOT / file).read_text())
    ]
    assert named
    assert not [word for word in named if not (ROOT / word).exists()]
