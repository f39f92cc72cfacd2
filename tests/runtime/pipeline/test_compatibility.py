"""Operators that a device cannot run are named with their layer, before training, on real
exports."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from edgekit import cli
from edgekit.export.workers import export_all
from edgekit.program.program import Program, trace
from edgekit.types import Artifact, InputSpec


class Shuffled(nn.Module):
    """Writes channels in another order by `scatter`, which LiteRT 2.14 has no operator for."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        order = torch.arange(x.shape[1] - 1, -1, -1).reshape(1, -1, 1, 1).expand_as(x)
        return torch.zeros_like(x).scatter(1, order, x)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(8, 8, 3, padding=1)
        self.mix = Shuffled()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.mix(torch.relu(self.conv_in(x)))


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.blocks = nn.Sequential(Block())
        self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(torch.relu(self.stem(x))).mean((2, 3)))


@pytest.fixture(scope="module")
def exported(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Program, list[Artifact]]:
    program = trace(Network(), (InputSpec(shape=(3, 8, 8)),))
    expected = [("litert", "fp32"), ("onnxruntime", "fp32")]
    folder = tmp_path_factory.mktemp("exported")
    return program, export_all(program, expected, calibration=None, folder=folder)


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
        sys, "argv", ["edgekit", "build", "--target", "raspberrypi-armv7"]
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
