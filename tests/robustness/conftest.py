"""A folder as somebody else may have filled it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.runtime.agent.serving.test_server import Served

NAMES = (
    *("random", "types", "enum", "re", "json", "copy", "pathlib", "typing", "secrets"),
    *("__future__", "fnmatch", "dataclasses", "subprocess", "tempfile", "zipfile"),
    *("pydantic", "numpy", "torch", "sympy", "onnx", "onnxruntime", "typer", "rich"),
    *("sklearn", "pyarrow", "plotly", "networkx", "flatbuffers", "pip", "compileall"),
    # Optional modules that libraries try to import.
    *("cupy", "triton", "tensorflow", "torchvision", "apex", "dask"),
)
RELATIVE = f"{os.pathsep}.{os.pathsep}"
"""Empty and relative entries, each of which means the current folder."""


class Planted:
    """Files with the names of libraries; one that is run leaves its name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._marks = folder / "marks"
        for name in NAMES:
            (folder / f"{name}.py").write_text(
                f"with open({str(self._marks)!r}, 'a') as file:\n"
                f"    file.write({name!r} + '\\n')\n"
                f"raise ImportError('planted')\n"
            )

    @property
    def ran(self) -> set[str]:
        return set(self._marks.read_text().split()) if self._marks.exists() else set()


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    folder = tmp_path / "planted"
    folder.mkdir()
    return Planted(folder)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with a total time for a request."""
    from tests.robustness.test_hostile_clients import serving

    with serving(tmp_path_factory.mktemp("reciprocal"), "--max-seconds", "2") as one:
        yield one


@pytest.fixture
def here(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> Planted:
    """The planted files in the current folder."""
    monkeypatch.chdir(planted.folder)
    return planted


@pytest.fixture
def carelessly(here: Planted, monkeypatch: pytest.MonkeyPatch) -> Planted:
    """The same with a careless PYTHONPATH."""
    monkeypatch.setenv("PYTHONPATH", RELATIVE)
    return here
