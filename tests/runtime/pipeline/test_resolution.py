"""Builds whose plan chooses the size of images, from image files to answers on the device."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.data import TensorDataset

import edgekit as ek
from edgekit import data
from edgekit.agent.serving.predict import Answerer
from edgekit.api.environment import attached_environment
from edgekit.commands.build import read_request
from edgekit.config import lock_file
from edgekit.pipeline.build import build
from edgekit.program.program import load
from edgekit.progress import Silent
from edgekit.report.note_words import sentence
from edgekit.types import ExportRecipe, InputSpec, Preprocess, PruneRecipe
from edgekit.types.notes import NothingCut, ResolutionPlanned
from tests.runtime.test_tasks import built

pytestmark = pytest.mark.usefixtures("brief")

MODEL = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 24, 3, padding=1)
        self.norm = nn.BatchNorm2d(24)
        self.body = nn.Conv2d(24, 24, 3, padding=1)
        self.head = nn.Linear(24, 3)

    def forward(self, x):
        x = self.norm(self.stem(x)).relu()
        return self.head(self.body(x).relu().mean((2, 3)))
"""
PROJECT = """\
[model]
source = "model.py:Net"
weights = "weights.safetensors"
input = { shape = [3, 16, 16] }
[data]
train = "data/train"
test = "data/test"
[data.preprocess]
mean = [0.5]
std = [0.25]
[budget]
mmacs = MMACS
accuracy_drop = 0.05
[recipe]
minutes = 0
[recipe.prune]
cost_provenance = "estimated"
resolution = RESOLUTION
[recipe.distill]
epochs = 2
[recipe.export]
runtimes = ["onnxruntime"]
precisions = ["fp32"]
[recipe.bench]
runtime_options_s = 0
"""
_SIDE = 16


def _write_images(folder: Path, each: int, seed: int) -> None:
    """Noise with one bright half, which is the class, whatever the size."""
    draw = np.random.default_rng(seed)
    for kind, bright in enumerate((np.s_[:8], np.s_[8:], np.s_[:, :8])):
        (folder / f"half {kind}").mkdir(parents=True)
        for number in range(each):
            values = draw.normal(90, 30, (_SIDE, _SIDE, 3))
            values[bright] += 60
            image = Image.fromarray(values.clip(0, 255).astype(np.uint8))
            image.save(folder / f"half {kind}/{number:02}.png")


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained network and its images: read only."""
    root = tmp_path_factory.mktemp("halves")
    (root / "model.py").write_text(MODEL)
    _write_images(root / "data/train", 48, seed=1)
    _write_images(root / "data/test", 20, seed=2)
    namespace: dict[str, type[nn.Module]] = {}
    exec(MODEL, namespace)
    torch.manual_seed(0)
    network = namespace["Net"]()
    spec = InputSpec(shape=(3, _SIDE, _SIDE))
    how = Preprocess(mean=(0.5,), std=(0.25,))
    train = data.load("data/train", root=root, input=spec, preprocess=how)
    x, y = (torch.from_numpy(array) for array in train.arrays())
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(12):
        for chosen in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(x[chosen]), y[chosen]).backward()
            optimizer.step()
    save_file(network.state_dict(), root / "weights.safetensors")
    return root


def project(halves: Path, folder: Path, *, mmacs: float, resolution: str) -> Path:
    folder.mkdir()
    for name in ("data", "model.py", "weights.safetensors"):
        (folder / name).symlink_to(halves / name)
    text = PROJECT.replace("MMACS", f"{mmacs}").replace("RESOLUTION", resolution)
    (folder / "edgekit.toml").write_text(text)
    return folder


def answers(bundle: Path, images: list[Path]) -> list[str]:
    """The labels that an image for a device gives: the bundle's file, by its own contract."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    [file] = bundle.glob("model.*")
    description = {
        "runtime": manifest["model"]["runtime"],
        "threads": 1,
        "default": "model",
        "models": {"model": {"files": [file.name]}},
        "preprocessing": manifest["contract"]["preprocessing"],
        "labels": manifest["contract"]["labels"],
        "labels_samples": True,
    }
    (bundle / "image.json").write_text(json.dumps(description))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEKIT_BUNDLE", str(bundle))
        answerer = Answerer(None)
        found = [answerer.answers(each.read_bytes(), each.name) for each in images]
    return [one["label"] for [one] in found]


def test_a_smaller_size_ends_where_it_loses_less_than_cuts(
    halves: Path, tmp_path: Path
) -> None:
    """Half of the operations: the halves show at 12 x 12 as well, and cuts do the rest."""
    folder = project(halves, tmp_path / "mine", mmacs=0.7, resolution="[12]")
    report, contract = built(folder, "raspberrypi4")
    [planned] = [n for n in report.notes if isinstance(n, ResolutionPlanned)]
    assert planned.size == (12, 12) and planned.own_size == (16, 16)
    assert planned.at_own_size is not None
    assert planned.expected_loss_increase is not None
    assert planned.expected_loss_increase < planned.at_own_size
    assert "images are 12 x 12 pixels instead of 16 x 16" in sentence(planned)
    assert contract["inputs"][0]["shape"] == [1, 3, 12, 12]
    assert report.teacher.macs > 1.7 * 0.7e6 and report.student.macs <= 0.7e6
    assert any(row.after < row.before for row in report.widths), "cut besides"
    names = {row.name for row in report.frontier}
    assert names == {"uncut", "uncut at 12 x 12", "trained 1"}
    student = load(folder / "bundle/student.pt2")
    assert student.inputs[0].shape == (3, 12, 12)
    test = data.load(
        "data/test",
        root=halves,
        input=student.inputs[0],
        preprocess=Preprocess(mean=(0.5,), std=(0.25,)),
    )
    few = np.arange(0, 60, 7)
    with torch.inference_mode():
        expected = student.module(torch.from_numpy(test.arrays(few)[0])).argmax(1)
    images = sorted((halves / "data/test").rglob("*.png"))
    labels = answers(folder / "bundle", [images[n] for n in few])
    assert labels == [test.labels[int(n)] for n in expected]
    assert len({*labels}) == 3


def test_a_size_that_keeps_the_budget_alone_is_neither_cut_nor_trained_and_locked(
    halves: Path, tmp_path: Path
) -> None:
    folder = project(halves, tmp_path / "mine", mmacs=1.15, resolution='"free"')
    report, _ = built(folder, "raspberrypi4")
    [planned] = [n for n in report.notes if isinstance(n, ResolutionPlanned)]
    assert planned.size[0] in (14, 12, 10, 8) and planned.size != (16, 16)
    assert planned.expected_loss_increase == planned.size_loss
    assert any(isinstance(n, NothingCut) for n in report.notes)
    assert not report.epochs and report.frontier[-1].final
    [fp32] = report.candidates
    assert fp32.speedup != 1.0, "the smaller network is not the baseline itself"
    lock = lock_file.read(folder / "bundle", "raspberrypi4")
    assert lock.size == planned.size and not lock.cuts
    request = read_request(folder, "raspberrypi4", Silent())  # type: ignore[arg-type]
    request = replace(request, locked=lock)
    with attached_environment(request, device="local", progress=Silent()) as env:
        again = build(request, env, folder / "again")
    assert [one.artifact.inputs[0].shape for one in again.candidates] == [
        (1, 3, *planned.size)
    ], "a lock has the size, and its files' bytes were compared"


def test_a_plan_in_memory_cuts_the_network_at_the_size_that_it_chose(
    halves: Path,
) -> None:
    namespace: dict[str, type[nn.Module]] = {}
    exec(MODEL, namespace)
    network = namespace["Net"]()
    network.load_state_dict(load_file(halves / "weights.safetensors"))
    model = ek.load(network.eval(), example_input=torch.zeros(1, 3, _SIDE, _SIDE))
    given = data.load(
        "data/train",
        root=halves,
        input=model.inputs[0],
        preprocess=Preprocess(scale=1.0),
    )
    images, kinds = given.arrays()
    prepared = torch.from_numpy((images / 255 - 0.5) / 0.25)
    recipe = ek.Recipe(
        prune=PruneRecipe(cost_provenance="estimated", resolution=(12,)),
        export=ExportRecipe(runtimes=("onnxruntime",), precisions=("fp32",)),
    )
    plan = ek.plan(
        model,
        ek.Data(train=TensorDataset(prepared, torch.from_numpy(kinds))),
        target="raspberrypi4",
        budget=ek.Budget(mmacs=0.7),
        recipe=recipe,
    )
    assert plan.preview.size == (12, 12) and plan.point.macs <= 0.7e6
    assert {row.name for row in plan.preview.uncut} == {"uncut", "uncut at 12 x 12"}
    assert any(isinstance(n, ResolutionPlanned) for n in plan.preview.notes)
    student = ek.prune(model, plan)
    assert student.inputs[0].shape == (3, 12, 12)
    assert student.parameters < model.parameters
    assert student.module(torch.zeros(2, 3, 12, 12)).shape == (2, 3)
