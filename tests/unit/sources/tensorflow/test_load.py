"""SavedModels where TensorFlow is not: what is recognized, and the errors that help."""

from __future__ import annotations

import importlib.util
import os
import stat
import sys
from pathlib import Path

import pytest

from edgekit import sources
from edgekit.errors import ModelError, RuntimeMissing
from edgekit.sources.tensorflow import split
from edgekit.sources.tensorflow.load import PYTHON
from edgekit.types import ModelSpec
from tests.conftest import Run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "saved_model.pb").write_bytes(b"\x08\x01")
    return tmp_path


def load(folder: Path, source: str = "net", **more: str) -> None:
    sources.load(ModelSpec(source=source, **more), root=folder)


def test_a_folder_is_recognized_with_a_signature_and_without(folder: Path) -> None:
    for name in ("net", "net#other"):
        found = sources.matching(name, folder)
        assert found is not None and "SavedModel" in found.form
    assert sources.matching("nothing", folder) is None
    assert split("net#other", folder) == (folder / "net", "other")
    (folder / "a#b").mkdir()
    assert split("a#b", folder) == (folder / "a#b", "")
    assert sources.find(folder) == ("net", sources.matching("net", folder))


@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is not None, reason="it is installed"
)
def test_without_tensorflow_the_command_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PYTHON, raising=False)
    with pytest.raises(RuntimeMissing, match=r"pip install 'edgekit\[tensorflow\]'"):
        load(folder)


def test_a_python_that_is_not_there_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PYTHON, str(folder / "no-python"))
    with pytest.raises(RuntimeMissing, match=r"no-python cannot be started \(No such"):
        load(folder)


def test_a_python_without_tensorflow_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = folder / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    bare.chmod(bare.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv(PYTHON, str(bare))
    with pytest.raises(RuntimeMissing, match="-m pip install tensorflow tf2onnx"):
        load(folder)


def test_the_command_line_says_it_in_one_line(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PYTHON, os.devnull)
    code, _, said = run("inspect", folder / "net")
    assert code == RuntimeMissing.exit_code
    assert f"{PYTHON}=/dev/null cannot be started" in " ".join(said.split())


def test_weights_beside_it_are_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match="has its weights in it"):
        load(folder, weights="w.pt")
