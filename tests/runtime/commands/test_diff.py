"""`edgekit diff`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from edgekit import cli
from edgekit.export.workers import export_all
from tests.runtime.diff.test_diff import PROJECT, images, prepared
from tests.runtime.export.conftest import sampled


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of its own network, and that network exported."""
    root = tmp_path_factory.mktemp("project")
    program, _ = sampled("convolutional")
    raw = images()
    with torch.no_grad():
        classes = program.module(torch.from_numpy(prepared(raw))).argmax(1).numpy()
    np.savez(root / "data.npz", x=raw, y=classes)
    program.save(root / "student.pt2")
    (root / "edgekit.toml").write_text(PROJECT)
    export_all(
        program,
        [
            ("onnxruntime", "fp32"),
            ("onnxruntime", "int8"),
            ("openvino", "fp32"),
            ("litert", "fp32"),
            ("litert", "int8"),
        ],
        calibration=prepared(raw),
        folder=root / "files",
    )
    return root


def test_the_command_ends_with_what_it_found(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["edgekit", "diff", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, " ".join(said.err.split())

    monkeypatch.chdir(folder)
    artifact = "files/onnxruntime-fp32.onnx"
    code, out, _ = run(artifact, "--json", "--quiet")
    assert (code, json.loads(out)["agrees"]) == (0, True)
    np.save(tmp_path / "fed.npy", prepared(images()[:12])[:, ::-1])
    code, _, err = run(artifact, "--preprocessed", str(tmp_path / "fed.npy"), "--quiet")
    assert code == 5
    assert "is student.pt2, but the application feeds it BGR for RGB." in err
    code, _, err = run("nowhere.onnx")
    assert code == 2
    assert "No file nowhere.onnx" in err
    monkeypatch.chdir(tmp_path)
    code, _, err = run(str(folder / artifact))
    assert code == 2
    assert "--samples FILE.npy" in err
