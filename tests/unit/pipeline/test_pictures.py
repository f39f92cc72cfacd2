"""Samples with what is seen in them in the report."""

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


def pictured(
    folder: Path,
    network: Program,
    task: TaskSpec,
    spec: InputSpec = INPUT,
    root: Path | None = None,
) -> Any:
    test = data.load(
        folder.name,
        root=folder.parent,
        input=spec,
        preprocess=Preprocess(),
        kind=task.kind,
    )
    project = Project(
        name="p",
        root=root or folder,
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


class Halves(nn.Module):
    """Class 2 on the left, class 0 on the right: a score for each of three."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left = torch.arange(4) < 2
        scores = torch.stack([(~left).float(), torch.zeros(4), left.float()])
        return scores[None, :, None] + 0 * x[:, :1]


def test_masks_lie_over_their_images_in_colors(tmp_path: Path) -> None:
    """The first class is left as it is, an unknown one is gray."""
    spec = InputSpec(shape=(3, 2, 4))
    for number in range(2):
        for place, values in (
            ("images", np.full((2, 4, 3), 90)),
            ("masks", np.array([[0, 0, 1, 2], [0, 0, 1, 255]])),
        ):
            (tmp_path / "set" / place).mkdir(parents=True, exist_ok=True)
            file = tmp_path / "set" / place / f"{number}.png"
            Image.fromarray(values.astype(np.uint8)).save(file)
    task = TaskSpec(kind="segmentation", classes=("ground", "disc", "box"))
    found = pictured(tmp_path / "set", trace(Halves(), (spec,)), task, spec)
    marked, network, _ = found[0].drawn
    assert marked.mask.classes == ("disc", "box") and network.mask.classes == ("box",)
    colors = np.asarray(Image.open(io.BytesIO(base64.b64decode(marked.mask.png))))
    assert colors.shape == (2, 4, 4)
    assert (colors[:, :2, 3] == 0).all() and (colors[:, 2:, 3] > 0).all()
    assert colors[0, 2].tolist() == colors[1, 2].tolist() != colors[0, 3].tolist()
    assert len(set(colors[1, 3, :3].tolist())) == 1
    seen = np.asarray(Image.open(io.BytesIO(base64.b64decode(network.mask.png))))
    assert (seen[:, :2] == colors[0, 3]).all() and (seen[:, 2:, 3] == 0).all()


class Middle(nn.Module):
    """Two points, as fractions of the image."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        places = torch.tensor([[[0.5, 0.5], [0.25, 1.0]]])
        return places + 0 * x.mean((1, 2, 3))[:, None, None]


@pytest.mark.parametrize("unit", [1.0, 20.0])
def test_points_lie_in_pixels(tmp_path: Path, unit: float) -> None:
    """Given as fractions, or in pixels, of which the network's outputs are as well."""
    spec = InputSpec(shape=(1, 10, 20))
    points = np.array([[[0.1, 0.2], [np.nan, np.nan]]], np.float32) * unit
    values = np.zeros((1, 1, 10, 20), np.float32)
    values[0, 0, 0, 0] = 3.0
    np.savez(tmp_path / "set.npz", x=values, y=points)
    network = trace(Middle(), (spec,))
    task = TaskSpec(kind="keypoint-detection")
    (picture,) = pictured(tmp_path / "set.npz", network, task, spec)
    marked, found, _ = picture.drawn
    assert marked.points == (((2.0, 2.0),) if unit == 1 else ((2.0, 4.0),))
    assert found.points == (
        ((10.0, 5.0), (5.0, 10.0)) if unit == 1 else ((0.5, 0.5), (0.2, 1.0))
    )
    image = Image.open(io.BytesIO(base64.b64decode(picture.jpeg)))
    assert image.size == (20, 10) and image.mode == "L"


DECODE = """
import numpy as np

def things(output):
    masks = np.zeros((2, 2, 4), bool)
    masks[0, :, :2] = masks[1, 0] = True
    return [(0, 0, 2, 2), (0, 0, 4, 1)], masks, output[0, 4:], [1, 0]
"""


def test_things_have_a_box_and_a_color_each(tmp_path: Path) -> None:
    """Those below the decoder's least score are not drawn."""
    spec = InputSpec(shape=(3, 2, 4))
    (tmp_path / "decode.py").write_text(DECODE)
    for place, values in (
        ("images", np.full((2, 4, 3), 90, np.uint8)),
        ("masks", np.array([[0, 1, 2, 1001], [0, 1, 2, 1001]], np.uint16)),
    ):
        (tmp_path / "set" / place).mkdir(parents=True)
        Image.fromarray(values).save(tmp_path / "set" / place / "a.png")
    names = ("disc", "box")
    decoder = "decode.py:things"
    task = TaskSpec(kind="instance-segmentation", classes=names, decoder=decoder)
    home = tmp_path / "set"
    [picture] = pictured(home, trace(Fixed(), (spec,)), task, spec, tmp_path)
    marked, network, _ = picture.drawn
    assert [(one.label, one.box) for one in marked.boxes] == [
        ("disc", (1, 0, 2, 2)), ("disc", (2, 0, 3, 2)), ("box", (3, 0, 4, 2))
    ]  # fmt: skip
    colors = np.asarray(Image.open(io.BytesIO(base64.b64decode(marked.mask.png))))
    assert colors[0, 0, 3] == 0
    assert len({tuple(each) for each in colors[1, 1:].tolist()}) == 3
    assert [(one.label, one.score) for one in network.boxes] == [("disc", 0.9)]
    seen = np.asarray(Image.open(io.BytesIO(base64.b64decode(network.mask.png))))
    assert (seen[0, :, 3] > 0).all() and (seen[1, :, 3] == 0).all()
