"""Samples of a detector in the report."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from edgekit import data
from edgekit.config.project import Project
from edgekit.pipeline.pictures import with_pictures
from edgekit.program.program import Program, trace
from edgekit.types import (
    Budget,
    DataSpec,
    InputSpec,
    ModelSpec,
    Preprocess,
    Recipe,
    TaskSpec,
)
from tests import reports
from tests.unit.data import drawn_boxes

INPUT = InputSpec(shape=(3, 10, 20))


class Fixed(nn.Module):
    """The same boxes, whatever the image: one sure and one not."""

    def __init__(self) -> None:
        super().__init__()
        rows = [[1.0, 2, 5, 6, 0.1, 0.9], [1, 2, 5, 6, 0.2, 0.1]]
        self.rows = nn.Parameter(torch.tensor([rows]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.rows + 0 * x.mean((1, 2, 3))[:, None, None]


@pytest.fixture(scope="module")
def network() -> Program:
    return trace(Fixed(), (INPUT,))


def pictured(folder: Path, network: Program, task: TaskSpec) -> Any:
    test = data.load(
        folder.name,
        root=folder.parent,
        input=INPUT,
        preprocess=Preprocess(),
        kind=task.kind,
    )
    project = Project(
        name="p",
        root=folder,
        file=folder / "edgekit.toml",
        model=ModelSpec(source="m.py:f"),
        data=DataSpec(train="a", test="b"),
        task=task,
        budget=Budget(),
        recipe=Recipe(),
    )
    loaded = SimpleNamespace(samples=SimpleNamespace(test=test), teacher=network)
    proof = SimpleNamespace(student=network, timed=SimpleNamespace(chosen=None))
    env: Any = None
    found: Any = with_pictures(reports.report(), project, env, loaded, proof)  # type: ignore[arg-type]
    return found.pictures


def test_boxes_of_data_and_networks_lie_in_the_input(
    tmp_path: Path, network: Program
) -> None:
    home = drawn_boxes.voc(tmp_path / "set")
    task = TaskSpec(kind="detection", decoder="boxes")
    first, second = pictured(home, network, task)
    assert [one.name for one in second.drawn] == [
        "the data",
        "the network",
        "the student",
    ]
    marked, found, _ = second.drawn
    assert [(one.label, one.box) for one in marked.boxes] == [
        ("cat", (0, 0, 4, 10)),
        ("dog", (10, 2.5, 20, 7.5)),
    ]
    assert [(one.label, one.score, one.box) for one in found.boxes] == [
        ("dog", 0.9, (1, 2, 5, 6))
    ]
    image = Image.open(io.BytesIO(base64.b64decode(first.jpeg)))
    assert image.size == (first.width, first.height) == (20, 10)
    assert np.abs(np.asarray(image).mean((0, 1)) - (9, 200, 90)).max() < 4


def test_a_task_without_a_decoder_has_none(tmp_path: Path, network: Program) -> None:
    home = drawn_boxes.voc(tmp_path / "set")
    assert pictured(home, network, TaskSpec(kind="detection")) == ()
