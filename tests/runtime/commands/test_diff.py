"""`edgekit diff`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Run
from tests.runtime.diff.exported import images, prepared


def test_the_command_ends_with_what_it_found(
    exported_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    def compare(*arguments: str) -> tuple[int, str, str]:
        code, out, err = run("diff", *arguments)
        return code, out, " ".join(err.split())

    monkeypatch.chdir(exported_project)
    artifact = "files/onnxruntime-fp32.onnx"
    code, out, _ = compare(artifact, "--json", "--quiet")
    assert (code, json.loads(out)["agrees"]) == (0, True)
    np.save(tmp_path / "fed.npy", prepared(images()[:12])[:, ::-1])
    code, _, err = compare(
        artifact, "--preprocessed", str(tmp_path / "fed.npy"), "--quiet"
    )
    assert code == 5
    assert "is student.pt2, but the application feeds it BGR for RGB." in err
    code, _, err = compare("nowhere.onnx")
    assert code == 2
    assert "No file nowhere.onnx" in err
    monkeypatch.chdir(tmp_path)
    code, _, err = compare(str(exported_project / artifact))
    assert code == 2
    assert "--samples FILE.npy" in err
