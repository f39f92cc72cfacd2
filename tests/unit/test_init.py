"""The package's face: its names, and what importing it costs."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import edgekit

NAMES = [
    "Benchmark",
    "Budget",
    "BuildResult",
    "Bundle",
    "Data",
    "Network",
    "PruningPlan",
    "Recipe",
    "__version__",
    "benchmark",
    "build",
    "build_many",
    "build_request",
    "diff",
    "distill",
    "evaluate",
    "export",
    "load",
    "plan",
    "prune",
    "quantize",
    "search",
]


def test_the_names_of_the_library_are_pinned() -> None:
    assert edgekit.__all__ == NAMES
    assert set(NAMES) <= set(dir(edgekit))
    with pytest.raises(AttributeError, match="no attribute 'quantise'"):
        _ = edgekit.quantise


def test_the_stub_declares_the_same_names() -> None:
    stub = Path(edgekit.__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    declared = {
        alias.asname
        for node in ast.parse(stub).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert declared | {"__version__"} == set(NAMES)
    api = importlib.import_module("edgekit.api")
    assert set(api.__all__) == declared


@pytest.mark.parametrize("name", [name for name in NAMES if name != "__version__"])
def test_every_name_is_documented(name: str) -> None:
    found = getattr(edgekit, name)
    assert inspect.isclass(found) or inspect.isfunction(found)
    assert inspect.getdoc(found)


def test_a_function_stays_where_a_folder_has_its_name() -> None:
    for room in ("prune.planner", "distill.train", "export.workers", "diff.match"):
        module = importlib.import_module(f"edgekit.{room}")
        assert module.__name__ == f"edgekit.{room}"
    for name in ("prune", "distill", "export", "diff"):
        assert inspect.isfunction(getattr(edgekit, name))
        assert inspect.ismodule(importlib.import_module(f"edgekit.{name}"))


@pytest.mark.parametrize("code", ["import edgekit", "from edgekit.cli import app"])
def test_importing_loads_no_framework(code: str) -> None:
    heavy = "{'torch', 'numpy', 'scipy', 'onnx', 'openvino', 'pandas', 'plotly', 'litert_torch'}"
    asked = f"import sys; {code}; print(sorted({heavy} & sys.modules.keys()))"
    run = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
