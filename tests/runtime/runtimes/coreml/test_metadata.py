"""A contract in a Core ML package, read back."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.errors import RuntimeMissing
from edgekit.runtimes import contract
from edgekit.runtimes.coreml import archive, metadata
from tests.runtime.runtimes.conftest import reads_back

INSTALLED = importlib.util.find_spec("coremltools") is not None


def write(path: Path) -> Path:
    """A package of an empty model."""
    archive.write(path, "m.mlpackage", [("Manifest.json", b"{}"), (archive.MODEL, b"")])
    return path


@pytest.mark.skipif(not INSTALLED, reason="needs pip install 'edgekit[coreml]'")
def test_the_text_is_read_back_and_the_rest_stays(tmp_path: Path) -> None:
    path = write(tmp_path / "model.mlpackage.zip")
    reads_back(metadata, path)
    metadata.put(path, tmp_path / "named.mlpackage.zip", {"labels": "[]"})
    metadata.embed(tmp_path / "named.mlpackage.zip", path, {}, "more")
    found = metadata.model_of(path).description.metadata.userDefined
    assert dict(found) == {"labels": "[]", contract.KEY: "more"}
    assert archive.read(path)["Manifest.json"] == b"{}"


@pytest.mark.skipif(INSTALLED, reason="coremltools is installed")
def test_without_the_library_its_extra_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuntimeMissing, match=r"edgekit\[coreml\]"):
        metadata.extract(write(tmp_path / "model.mlpackage.zip"))


@pytest.mark.skipif(not INSTALLED, reason="needs pip install 'edgekit[coreml]'")
def test_what_is_imported_says_nothing() -> None:
    script = "from edgekit.runtimes.coreml import metadata; metadata._parsed(b'')"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[4],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
