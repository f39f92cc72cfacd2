from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from edgekit import sources
from edgekit.errors import ModelError
from edgekit.sources.torch import CHECKPOINTS
from edgekit.types import InputSpec, ModelSpec, NetworkInput

MODEL = """
import torch
from torch import nn
from blocks import Tail

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.tail = Tail(4)

    def forward(self, x):
        return self.tail(torch.relu(self.norm(self.conv(x))))

def build():
    return Net()

def needs(width):
    return Net()

def number():
    return 7

def breaks():
    return {}["no such layer"]

class Noisy(Net):
    def forward(self, x):
        return torch.dropout(super().forward(x), 0.5, True)

def noisy():
    return Noisy()

def traced():
    return torch.jit.trace(Net().eval(), torch.zeros(1, 1, 6, 6))

def exported():
    return torch.export.export(Net().eval(), (torch.zeros(1, 1, 6, 6),)).module()
"""
BLOCKS = """
from torch import nn

class Tail(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.head = nn.Linear(width, 3)

    def forward(self, x):
        return self.head(x.mean((2, 3)))
"""
INPUT = InputSpec(shape=(1, 6, 6))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "blocks.py").write_text(BLOCKS)
    return tmp_path


def spec(**changes: object) -> ModelSpec:
    return ModelSpec(**({"source": "model.py:build", "input": INPUT} | changes))


def weights(root: Path) -> dict[str, torch.Tensor]:
    state = sources.load(spec(), root=root).module.state_dict()
    return {name: torch.full_like(tensor, 0.5) for name, tensor in state.items()}


def failure(root: Path, **changes: object) -> str:
    with pytest.raises(ModelError) as caught:
        sources.load(spec(**changes), root=root)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_function_builds_a_network_of_any_batch_size(root: Path) -> None:
    program = sources.load(spec(), root=root)
    assert program.module(torch.zeros(5, 1, 6, 6)).shape == (5, 3)
    assert all(p.requires_grad for p in program.module.parameters())


def test_network_without_weights_is_the_same_every_time(root: Path) -> None:
    first, second = (sources.load(spec(), root=root) for _ in range(2))
    assert first.fingerprint() == second.fingerprint()


def test_neighbors_of_another_project_are_not_mistaken(
    root: Path, tmp_path: Path
) -> None:
    sources.load(spec(), root=root)
    other = tmp_path / "other"
    other.mkdir()
    (other / "model.py").write_text(MODEL)
    (other / "blocks.py").write_text(BLOCKS.replace("width, 3", "width, 8"))
    assert sources.load(spec(), root=other).module(torch.zeros(1, 1, 6, 6)).shape == (
        1,
        8,
    )
    assert "blocks" not in sys.modules
    assert str(other) not in sys.path


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
def test_weights_are_loaded(root: Path, name: str) -> None:
    state = weights(root)
    if name.endswith(".pt"):
        wrapped = {f"module.{key}": value for key, value in state.items()}
        torch.save({"epoch": 3, "state_dict": wrapped}, root / name)
    else:
        save_file(state, root / name)
    program = sources.load(spec(weights=name), root=root)
    assert (program.module.state_dict()["conv.weight"] == 0.5).all()


def test_pickle_is_refused_unless_allowed(root: Path) -> None:
    torch.save(nn.Linear(2, 2), root / "whole.pt")
    message = failure(root, weights="whole.pt")
    assert "pickle" in message
    assert "--allow-pickle" in message
    (root / "linear.py").write_text(
        "from torch import nn\n\ndef build():\n    return nn.Linear(2, 2)\n"
    )
    model = spec(
        source="linear.py:build", weights="whole.pt", input=InputSpec(shape=(2,))
    )
    program = sources.load(model, root=root, allow_pickle=True)
    expected = torch.load(root / "whole.pt", weights_only=False).weight
    assert torch.equal(program.module.state_dict()["weight"], expected)


def test_weights_that_do_not_fit_are_named_with_their_shapes(root: Path) -> None:
    state = weights(root)
    del state["tail.head.bias"]
    state["conv.weight"] = torch.zeros(4, 3, 3, 3)
    state["extra"] = torch.zeros(2)
    save_file(state, root / "w.safetensors")
    message = failure(root, weights="w.safetensors")
    assert "missing tail.head.bias [3]" in message
    assert "unexpected extra [2]" in message
    assert "conv.weight [4, 3, 3, 3] instead of [4, 1, 3, 3]" in message


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
def test_unreadable_weights(root: Path, name: str) -> None:
    (root / name).write_bytes(b"not weights at all")
    message = failure(root, weights=name)
    assert name in message
    assert "No weights at" in failure(root, weights="none.safetensors")


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("model.py:biuld", ["No function 'biuld'", "Did you mean 'build'?"]),
        ("modle.py:build", ["modle.py", "Did you mean 'model.py'?"]),
        ("model.py:needs", ["arguments width", "defaults"]),
        ("model.py:number", ["returned int", "torch.nn.Module"]),
        ("model.py:noisy", ["draws random numbers also in evaluation mode (dropout)"]),
        ("model.py:traced", ["The network is TorchScript", "load its state dict"]),
        (
            "model.py:exported",
            ["module of a torch.export program", "torch.export.save"],
        ),
        ("model.py:breaks", ["model.py:26: KeyError", "no such layer"]),
    ],
)
def test_source_that_cannot_be_used(
    root: Path, reference: str, words: list[str]
) -> None:
    message = failure(root, source=reference)
    for word in words:
        assert word in message


def test_failing_import_names_the_authors_line(root: Path) -> None:
    (root / "blocks.py").write_text("import nothing_of_this_name\n")
    message = failure(root)
    assert "blocks.py:1: ModuleNotFoundError" in message
    (root / "blocks.py").write_text("def broken(:\n")
    assert "blocks.py:1: SyntaxError" in failure(root)


def test_wrong_input_shape_is_shown_with_the_fix(root: Path) -> None:
    message = failure(root, input=InputSpec(shape=(3, 6, 6)))
    assert "[3, 6, 6]" in message
    assert "model.py:14" in message
    assert "[model] input" in message
    assert "shape" in failure(root, input=None)


def test_a_function_of_an_installed_package_is_a_source(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = root / "site" / "zoo_of_mine"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "layers.py").write_text(BLOCKS)
    (package / "nets.py").write_text(
        "from . import layers\n\n\ndef net(pretrained=False, **more):\n"
        "    from torch import nn\n    return nn.Sequential(nn.Flatten(), nn.Linear(36, 3))\n"
    )
    monkeypatch.syspath_prepend(str(root / "site"))
    source = "zoo_of_mine.nets:net"
    assert sources.recognized(source, root).has_inputs is False
    program = sources.load(spec(source=source), root=root)
    assert program.module(torch.zeros(5, 1, 6, 6)).shape == (5, 3)
    assert "No function 'nett'" in failure(root, source="zoo_of_mine.nets:nett")
    missing = failure(root, source="zoo_of_mine.gone:net")
    assert "No module named 'zoo_of_mine.gone'" in missing
    assert "Cannot load a network" in failure(root, source="zoo_of_nobody.nets:net")


@pytest.mark.parametrize("suffix", CHECKPOINTS)
def test_a_checkpoint_alone_is_no_network(root: Path, suffix: str) -> None:
    (root / f"w{suffix}").write_bytes(b"anything")
    message = failure(root, source=f"w{suffix}")
    assert f'source = "model.py:build", weights = "w{suffix}"' in message
    assert "Cannot load a network from 'gone" in failure(root, source=f"gone{suffix}")


def test_a_file_of_torchscript_is_no_network(root: Path) -> None:
    torch.jit.script(nn.Linear(2, 3)).save(root / "net.pt")
    message = failure(root, source="net.pt")
    assert "net.pt is TorchScript" in message
    assert "the function that builds the network" in message


TWO = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3, 2)

    def forward(self, plus, *, minus):
        return {"z": self.head(plus), "a": plus - 2 * minus}

def build():
    return Net()
"""


@pytest.mark.parametrize("order", [("plus", "minus"), ("minus", "plus")])
def test_inputs_go_to_the_arguments_of_their_names(
    tmp_path: Path, order: tuple[str, str]
) -> None:
    (tmp_path / "two.py").write_text(TWO)
    inputs = tuple(NetworkInput(name=name, shape=(3,)) for name in order)
    spec = ModelSpec(source="two.py:build", inputs=inputs)
    program = sources.load(spec, root=tmp_path)
    assert tuple(one.name for one in program.inputs) == order
    assert program.outputs == ("z", "a"), "in the author's order, not the alphabet's"
    given = {"plus": torch.ones(2, 3), "minus": torch.randn(2, 3)}
    found = program.module(*(given[name] for name in order))
    torch.testing.assert_close(found["a"], given["plus"] - 2 * given["minus"])
