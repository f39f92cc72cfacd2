"""Operators that a device cannot run are named with their layer, before training, on real
exports."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from edgekit import cli


def test_a_build_reports_it_before_training(
    own_project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(own_project, folder)
    file = folder / "model.py"
    text = file.read_text()
    body = "        x = self.blocks(self.act(self.norm(self.stem(x))))\n"
    assert body in text
    text = text.replace(body, body + "        x = self.mix(x)\n")
    text = text.replace(
        "        self.head =", "        self.mix = Mix()\n        self.head ="
    )
    text = text.replace(
        "class Net(",
        "class Mix(nn.Module):\n"
        "    def forward(self, x):\n"
        "        turned = torch.arange(x.shape[1] - 1, -1, -1).reshape(1, -1, 1, 1)\n"
        "        return torch.zeros_like(x).scatter(1, turned.expand_as(x), x)\n"
        "\n\nclass Net(",
    )
    file.write_text("import torch\n" + text)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(
        sys, "argv", ["edgekit", "build", "--target", "raspberrypi-armv7", "--yes"]
    )
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = " ".join(capsys.readouterr().err.split())
    assert ended.value.code == 5
    assert (
        "raspberrypi-armv7 cannot run the network. tflite-runtime 2.14.0 has no "
        "STABLEHLO_SCATTER; layer 'mix' needs it. Write torch.scatter as indexing"
    ) in said
    assert "Distill" not in said
    assert "Measure" not in said
    assert not (folder / "build").exists()
