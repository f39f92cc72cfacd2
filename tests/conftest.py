"""A user's own project, made once: a small residual network, images in folders, a toml."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch, as the command does

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from edgekit.bench.tiers import TIERS
from tests import shared

# A shell starts what runs in its background deaf to Ctrl-C, and every child inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)

MODEL = """\
from torch import nn


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.act = nn.ReLU()

    def forward(self, x):
        y = self.act(self.norm1(self.first(x)))
        return self.act(x + self.norm2(self.second(y)))


class Net(nn.Module):
    def __init__(self, width=32, classes=3):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.act = nn.ReLU()
        self.blocks = nn.Sequential(Residual(width), Residual(width))
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        x = self.blocks(self.act(self.norm(self.stem(x))))
        return self.head(x.mean((2, 3)))


def build():
    return Net()
"""

PROJECT = """\
[model]
source  = "model.py:build"
weights = "weights.safetensors"
input   = { shape = [3, 16, 16] }

[data]
train = "data/train"
test  = "data/test"
[data.preprocess]
scale = 255
mean  = [0.5, 0.5, 0.5]
std   = [0.25, 0.25, 0.25]

[budget]
speedup       = 1.5
accuracy_drop = 0.05

[recipe.distill]
epochs = 4
"""
Run = Callable[..., tuple[int, str, str]]
"""Arguments of the command to its exit code, standard output and standard error."""
_SIZE = 16
_CLASSES = ("disc", "frame", "stripes")


def _image(kind: int, generator: np.random.Generator) -> Image.Image:
    """A noisy picture of one of three shapes: easy to learn, impossible to guess."""
    y, x = np.mgrid[:_SIZE, :_SIZE]
    center = generator.uniform(6, 10, 2)
    radius = generator.uniform(3, 5)
    distance = np.hypot(y - center[0], x - center[1])
    square = np.maximum(abs(y - center[0]), abs(x - center[1]))
    shapes = (
        distance < radius,
        abs(square - radius) < 1,
        (x + y + int(generator.integers(4))) % 4 < 2,
    )
    color = generator.uniform(100, 255, 3)
    picture = shapes[kind][..., None] * color + generator.normal(
        40, 25, (_SIZE, _SIZE, 3)
    )
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8))


def _write_images(folder: Path, each: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    for kind, name in enumerate(_CLASSES):
        (folder / name).mkdir(parents=True)
        for number in range(each):
            _image(kind, generator).save(folder / name / f"{number:03}.png")


def _train(root: Path) -> None:
    """Train the network for long enough that losing accuracy would show."""
    from edgekit import data
    from edgekit.types import InputSpec, Preprocess

    namespace: dict[str, type[nn.Module]] = {}
    exec(MODEL, namespace)
    torch.manual_seed(0)
    network = namespace["build"]()
    samples = data.load(
        "data/train",
        root=root,
        input=InputSpec(shape=(3, _SIZE, _SIZE)),
        preprocess=Preprocess(mean=(0.5,) * 3, std=(0.25,) * 3),
    )
    x, y = (torch.from_numpy(array) for array in samples.arrays())
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(8):
        for chosen in torch.randperm(len(x)).split(50):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(x[chosen]), y[chosen]).backward()
            optimizer.step()
    save_file(network.state_dict(), root / "weights.safetensors")


def pytest_collection_finish() -> None:
    """Let the garbage collector look at what tests make, and not again at all libraries."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest modules come first: of two processes neither waits for the other at the end."""
    items.sort(key=_ends_soon)


def _ends_soon(item: pytest.Item) -> tuple[bool, bool]:
    """Whole builds are first, exports and the zoo next."""
    room = item.path.relative_to(Path(__file__).parent).parts[0]
    return item.path.parent.name != "runtime", room not in ("runtime", "zoo")


@pytest.fixture(scope="session")
def own_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read only: copy it to change it."""
    return shared.once(tmp_path_factory.getbasetemp(), "own-project", _write_project)


def _write_project(root: Path) -> None:
    (root / "model.py").write_text(MODEL)
    (root / "edgekit.toml").write_text(PROJECT)
    _write_images(root / "data/train", 100, seed=1)
    _write_images(root / "data/test", 60, seed=2)
    _train(root)


@pytest.fixture
def mine(own_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the user's project to spoil, and the working folder."""
    folder = tmp_path / "mine"
    shutil.copytree(own_project, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in this process."""
    from edgekit import cli

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["edgekit", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return call


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """One short launch an artifact, for builds of which no time is asserted."""
    short = replace(TIERS["quick"], launches=1, warmup_min_s=0.05, min_s=0.1)
    monkeypatch.setitem(TIERS, "quick", short)  # type: ignore[arg-type]


@pytest.fixture(scope="session", autouse=True)
def _libraries() -> Iterator[None]:
    """Converters' libraries are imported once for all tests, and each export is a fork.

    Importing takes 3 to 6 s of processor time a format. `fresh_processes` is a test's way out.
    """
    from edgekit.export import warm

    with warm.kept():
        yield


@pytest.fixture
def fresh_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each export has a process of its own, as outside of a build."""
    from edgekit.export import warm

    monkeypatch.setattr(warm, "_pools", [])


_SHARED = ("cost-tables", "costs", "npm", "runtimes", "swift-parser")
"""Folders of the cache that all tests share: slow to fill, and no test counts on either."""


@pytest.fixture(scope="module")
def _cache(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A cache of the module's own: what is kept does not depend on which modules ran before."""
    root = shared.cache(tmp_path_factory.getbasetemp())
    # A module can have several: pytest may run others between tests of one parameter.
    folder = tmp_path_factory.mktemp(request.module.__name__)
    for name in _SHARED:
        (root / name).mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(root / name)
    return folder


@pytest.fixture(autouse=True)
def _own_cache(
    _cache: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[None]:
    """No test reads or writes the user's cache.

    Nor does it wait for what the user times: the lock is its own.
    """
    monkeypatch.setenv("EDGEKIT_CACHE", str(_cache))
    monkeypatch.setenv("EDGEKIT_LOCK", str(tmp_path_factory.getbasetemp() / "lock"))
    yield
