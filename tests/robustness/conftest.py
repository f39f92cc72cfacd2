"""A folder as somebody else may have filled it."""

from __future__ import annotations

from pathlib import Path

import pytest

NAMES = (
    *("random", "types", "enum", "re", "json", "copy", "pathlib", "typing", "secrets"),
    *("__future__", "fnmatch", "dataclasses", "subprocess", "tempfile", "zipfile"),
    *("pydantic", "numpy", "torch", "sympy", "onnx", "onnxruntime", "typer", "rich"),
    *("sklearn", "pyarrow", "plotly", "networkx", "flatbuffers", "pip", "compileall"),
    # Optional modules that libraries try to import.
    *("cupy", "triton", "tensorflow", "torchvision", "apex", "dask"),
)


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
