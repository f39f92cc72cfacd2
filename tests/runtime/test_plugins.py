"""A source, a task and a kind of package are one new file or folder each: a build uses them."""

from __future__ import annotations

import json
import shutil
import sys
import tarfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import edgekit as ek
from edgekit import cli, plugins, sources, tasks
from edgekit.api.environment import attached_environment
from edgekit.commands.build import read_request
from edgekit.commands.console import Bars, err_console
from edgekit.errors import UsageError
from edgekit.package import bundle
from edgekit.pipeline import build
from edgekit.types import Report

TOYS = Path(__file__).parents[1] / "plugins"
ROOMS = ("edgekit.sources", "edgekit.tasks", "edgekit.package")
FEATURES, STARS = 8, 4
TOML = """\
[model]
source = "network.layers.json"
[data]
train = "train.npz"
test = "test.npz"
[data.preprocess]
scale = 1
[task]
kind = "star-rating"
[budget]
mmacs = 0.0025
accuracy_drop = 0.9
[recipe.prune]
cost_provenance = "estimated"
rounds = 1
[recipe.distill]
epochs = 4
[recipe.export]
runtimes = ["onnxruntime"]
precisions = ["fp32"]
[recipe.bench]
runtime_options_s = 0
"""


@pytest.fixture(scope="module")
def added(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A plugin folder with the toys, and nothing of them afterwards."""
    folder = tmp_path_factory.mktemp("plugins")
    shutil.copytree(TOYS, folder, dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(plugins.PLUGINS, str(folder))
        yield folder
    for room in ROOMS:
        plugins.extend(room)
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None) or ""
            if name.startswith(f"{room}.") and file.startswith(str(folder)):
                del sys.modules[name]


def ratings(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, FEATURES) and stars (n,) that follow from them, a few unknown (0)."""
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((count, FEATURES)).astype(np.float32)
    value = x[:, :3].sum(1) + np.abs(x[:, 3])
    stars = 1 + np.digitize(value, [-0.7, 0.8, 2.2])
    return x, np.where(np.arange(count) % 50 == 0, 0, stars)


@pytest.fixture(scope="module")
def project(added: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained network as JSON, its data and its project file."""
    root = tmp_path_factory.mktemp("project")
    for name, count, seed in (("train", 600, 0), ("test", 200, 1)):
        x, y = ratings(count, seed)
        np.savez(root / f"{name}.npz", x=x, y=y)
    (root / "network.layers.json").write_text(json.dumps({"layers": trained()}))
    (root / "edgekit.toml").write_text(TOML)
    return root


def trained() -> list[dict[str, list[object]]]:
    """Layers that rate with half a star of error at most, with weights set by hand."""
    x, stars = ratings(600, 0)
    torch.manual_seed(0)
    widths = (FEATURES, 64, 64, STARS - 1)
    layers = [nn.Linear(*pair) for pair in pairwise(widths)]
    network = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    expected = torch.from_numpy(stars[:, None] - 1 > np.arange(STARS - 1)).float()
    for _ in range(150):
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(
            network(torch.from_numpy(x)), expected
        ).backward()
        optimizer.step()
    return [
        {"weight": layer.weight.tolist(), "bias": layer.bias.tolist()}
        for layer in layers
    ]


@pytest.fixture(scope="module")
def built(project: Path) -> Report:
    bars = Bars(err_console, silent=True)
    request = read_request(project, "host", bars)
    with attached_environment(request, device="local", progress=bars) as env:
        return build.build(request, env, project / "bundle")


def test_the_toy_source_and_task_are_built(project: Path, built: Report) -> None:
    chosen = built.chosen
    assert chosen is not None
    before, after = built.teacher.evaluation, chosen.evaluation
    assert before.metric == after.metric == "stars off"
    assert before.value < 0.5
    assert not after.higher_is_better
    assert chosen.accuracy_drop == pytest.approx(after.value / before.value - 1)
    assert built.student.parameters < 0.8 * built.teacher.parameters
    assert built.epochs[-1].loss < built.epochs[0].loss
    assert chosen.parity.agreement is None and chosen.parity.explained > 0.99
    assert bundle.check(project / "bundle") == []
    manifest = json.loads((project / "bundle/manifest.json").read_text())
    assert manifest["contract"]["task"] == "star-rating"


def test_the_figure_is_the_toys_own(project: Path, built: Report) -> None:
    """Computed here, from the network's outputs and the stars in the file."""
    x, stars = ratings(200, 1)
    network = ek.load(project / "network.layers.json")
    with torch.no_grad():
        given = 1 + (network.module(torch.from_numpy(x)) > 0).sum(1).numpy()
    apart = np.abs(given - stars)[stars > 0].mean()
    assert built.teacher.evaluation.value == pytest.approx(apart)


def test_the_toy_package_holds_the_bundle(
    project: Path,
    built: Report,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = project / "all.tar"
    line = ["edgekit", "package", "--tarball", str(project / "bundle")]
    monkeypatch.setattr(sys, "argv", [*line, "--json", "--out-file", str(out)])
    assert cli._run() == 0
    [facts] = json.loads(capsys.readouterr().out)
    manifest = json.loads((project / "bundle/manifest.json").read_text())
    with tarfile.open(out) as archive:
        names = archive.getnames()
    assert sorted(names) == sorted(entry["path"] for entry in manifest["files"])
    assert facts == {"file": str(out), "files": len(names)}


def test_an_option_of_another_kind_is_refused(
    project: Path,
    built: Report,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for given, words in (
        (["--tarball", "--push"], "--push is not an option of --tarball"),
        (["--tarball", "--docker"], "one form at a time"),
        ([], "or edgekit package --tarball ... or"),
    ):
        line = ["edgekit", "package", str(project / "bundle"), *given]
        monkeypatch.setattr(sys, "argv", line)
        assert cli._run() == 2
        assert words in " ".join(capfd.readouterr().err.split())


def test_without_the_folder_nothing_of_them_is_known(
    added: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert tasks.of("star-rating").metric is not None
    monkeypatch.delenv(plugins.PLUGINS)
    with pytest.raises(UsageError, match="There is no kind of task 'star-rating'"):
        tasks.of("star-rating")
    assert sources.matching("network.layers.json", tmp_path) is None
