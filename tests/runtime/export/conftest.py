"""Small networks of the kinds that exporters treat differently, and seeded samples for them.

Untrained, but with batch norm as training leaves it: statistics of data, scales near one.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.export.workers import export_all
from edgekit.program.program import Program, trace
from edgekit.types import Artifact, InputSpec, QuantConfig
from tests.runtime.export.apart import Made, make

Sampled = tuple[Program, np.ndarray]
CLASSES = 4
"""Of the network that int8 harms."""
VARIANTS = [  # int8 that no processor overflows
    ("openvino", "int8", QuantConfig(narrow_weights=True)),
    ("litert", "fp32"),
    ("onnxruntime", "int8", QuantConfig(narrow_weights=True)),
    ("litert", "int8"),
    ("tflite-runtime", "int8"),
    ("onnxruntime", "fp32"),
]


class Residual(nn.Module):
    """A plain convolution, a depthwise one and a pointwise one, added to their input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.plain = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.plain_norm = nn.BatchNorm2d(width)
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        self.depthwise_norm = nn.BatchNorm2d(width)
        self.pointwise = nn.Conv2d(width, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.plain_norm(self.plain(x)))
        y = nn.functional.relu6(self.depthwise_norm(self.depthwise(y)))
        return torch.relu(x + self.pointwise(y))


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        Residual(16),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 24, 3, padding=1, groups=4),
        nn.Hardswish(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(24, 10),
    )


def perceptron() -> nn.Module:
    return nn.Sequential(
        nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 32), nn.GELU(), nn.Linear(32, 4)
    )


def one_dimensional() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(2, 16, 5, stride=2),
        nn.BatchNorm1d(16),
        nn.ReLU(),
        nn.Conv1d(16, 16, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(16, 5),
    )


class Attention(nn.Module):
    """Patches, one pre-norm block of self-attention, and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 32, 4, stride=4)
        self.place = nn.Parameter(torch.randn(1, 16, 32) * 0.1)
        self.norm = nn.LayerNorm(32)
        self.qkv = nn.Linear(32, 96)
        self.out = nn.Linear(32, 32)
        self.head = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2) + self.place
        batch, tokens, width = x.shape
        qkv = self.qkv(self.norm(x)).reshape(batch, tokens, 3, 4, width // 4)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        y = nn.functional.scaled_dot_product_attention(q, k, v)
        x = x + self.out(y.transpose(1, 2).reshape(batch, tokens, width))
        return self.head(x.mean(1))


class TwoInputs(nn.Module):
    """Inputs and outputs whose order is not that of their names."""

    def __init__(self) -> None:
        super().__init__()
        self.tail = nn.Linear(5, 4)
        self.heads = nn.ModuleList(nn.Linear(4, size) for size in range(1, 13))

    def forward(self, z: torch.Tensor, a: torch.Tensor) -> dict[str, torch.Tensor]:
        shared = a + self.tail(z)
        return {f"o{i}": head(shared) for i, head in enumerate(self.heads)}


KINDS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "convolutional": (convolutional, (3, 32, 32)),
    "perceptron": (perceptron, (20,)),
    "one_dimensional": (one_dimensional, (2, 64)),
    "attention": (Attention, (3, 16, 16)),
}


def sampled(kind: str) -> Sampled:
    build, shape = KINDS[kind]
    torch.manual_seed(0)
    module = build()
    # Each sample has a level of its own: averaged away, noise alone would look all the same.
    level = torch.randn(48, shape[0], *[1] * (len(shape) - 1))
    samples = torch.randn(48, *shape) + 2 * level
    with torch.no_grad():
        for _ in range(20):
            module(samples)
    return trace(module, (InputSpec(shape=shape, name="image"),)), samples.numpy()


@pytest.fixture(scope="module", params=list(KINDS))
def network(request: pytest.FixtureRequest) -> Sampled:
    return sampled(request.param)


@pytest.fixture(scope="module")
def convolutional_network() -> Sampled:
    return sampled("convolutional")


@pytest.fixture(scope="module")
def two_inputs() -> Program:
    torch.manual_seed(0)
    inputs = (InputSpec(shape=(5,), name="z"), InputSpec(shape=(4,), name="a"))
    return trace(TwoInputs(), inputs)


@pytest.fixture(scope="session")
def _processes() -> Iterator[dict[Path, ProcessPoolExecutor]]:
    """The process of `apart`, by what it is for; there is one at a time."""
    found: dict[Path, ProcessPoolExecutor] = {}
    yield found
    for pool in found.values():
        pool.shutdown()


@pytest.fixture(scope="module")
def apart(
    request: pytest.FixtureRequest, _processes: dict[Path, ProcessPoolExecutor]
) -> ProcessPoolExecutor:
    """A process for the exports and runs of a module, or of a runtime's folder of modules: the
    libraries crash beside each other."""
    folder = request.path.parent
    scope = folder if folder.parent.name == "runtimes" else request.path
    if scope not in _processes:
        for other in list(_processes):
            _processes.pop(other).shutdown()
        _processes[scope] = ProcessPoolExecutor(
            1, mp_context=get_context("spawn"), initializer=gc.set_threshold,
            initargs=(10_000,),
        )  # fmt: skip
    return _processes[scope]


@pytest.fixture(scope="module")
def made(request, network, apart, tmp_path_factory) -> Made:
    """The network in every precision of the module's `RUNTIME`, with what each file gave."""
    program, samples = network
    folder = tmp_path_factory.mktemp("made")
    program.save(folder / "student.pt2")
    runtime = request.module.RUNTIME
    return apart.submit(make, runtime, folder, program.inputs, samples).result()


@pytest.fixture(scope="module")
def want(network) -> np.ndarray:
    """PyTorch's output for the samples."""
    program, samples = network
    with torch.no_grad():
        return program.module(torch.from_numpy(samples)).numpy()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out"


class Harmed(nn.Module):
    """Four layers; between the second and the third one channel is a thousand times as large.

    The third takes that back, so that the network is sound in float, and the other channels have
    nothing left of the 256 steps of an int8 tensor.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(16, 16) for _ in range(3))
        self.head = nn.Linear(16, CLASSES)
        with torch.no_grad():
            for layer in self.layers:
                nn.init.orthogonal_(layer.weight, gain=1.4)
            nn.init.normal_(self.head.weight)
            self.layers[1].weight[0] *= 3000
            self.layers[1].bias[0] *= 3000
            self.layers[2].weight[:, 0] /= 3000

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = torch.relu(layer(x))
        return self.head(x)


@pytest.fixture(scope="session")
def harmed() -> tuple[Program, np.ndarray, np.ndarray]:
    """The network, samples, and the class it gives each of them."""
    torch.manual_seed(0)
    program = trace(Harmed(), (InputSpec(shape=(16,), name="x"),))
    samples = torch.randn(160, 16)
    with torch.no_grad():
        classes = program.module(samples).argmax(1)
    assert len(classes.unique()) == CLASSES
    return program, samples.numpy(), classes.numpy()


@pytest.fixture(scope="session")
def exported(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[list[Artifact], list[str]]:
    """The convolutional network in `VARIANTS`, and their names as they were done."""
    program, samples = sampled("convolutional")
    done: list[str] = []
    artifacts = export_all(
        program,
        VARIANTS,
        calibration=samples,
        folder=tmp_path_factory.mktemp("exported") / "candidates",
        on_done=done.append,
    )
    return artifacts, done
