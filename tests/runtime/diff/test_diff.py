"""`edgekit diff` on real exports: agreement, planted layers, planted preprocessing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import edgekit as ek
from edgekit.devices.local import LocalDevice
from edgekit.diff.diff import diff
from edgekit.diff.inputs import Question
from edgekit.progress import Silent


def test_the_network_may_be_any_source(exported_project: Path, tmp_path: Path) -> None:
    artifact = exported_project / "files/onnxruntime-fp32.onnx"
    copied = tmp_path / "student.network"
    copied.write_bytes((exported_project / "student.pt2").read_bytes())
    found = diff(
        Question(artifact=artifact, folder=exported_project, against=copied),
        LocalDevice(),
        Silent(),
    )
    assert found.agrees


class Named(nn.Module):
    """Two outputs of one shape, in a dictionary of this order."""

    def __init__(self, *order: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.order = order
        self.out, self.aux = nn.Linear(4, 3), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        given = {"out": self.out(x), "aux": self.aux(x)}
        return {name: given[name] for name in self.order}


def test_outputs_are_compared_by_name_in_whatever_order(tmp_path: Path) -> None:
    zeros = torch.zeros(1, 4)
    one, other = (
        ek.load(Named(*order), example_input=zeros)
        for order in (("out", "aux"), ("aux", "out"))
    )
    [file] = ek.export(
        other,
        target="host",
        runtimes=["onnxruntime"],
        precisions=["fp32"],
        out=tmp_path,
    )
    assert [spec.name for spec in file.outputs] == ["aux", "out"]
    samples = np.random.default_rng(0).normal(size=(16, 4)).astype(np.float32)
    found = ek.diff(file, one, data=ek.Data(test=samples))
    assert [output.name for output in found.outputs] == ["out", "aux"]
    assert found.agrees
