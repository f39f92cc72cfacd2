"""The one representation: traced, trained, saved and read without the author's classes."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from edgekit import sources
from edgekit.errors import ModelError
from edgekit.program.batch_norm_folding import fold
from edgekit.program.program import Program, load, set_training, trace
from edgekit.types import InputSpec, ModelSpec

IMAGE = (InputSpec(shape=(3, 8, 8)),)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.drop = nn.Dropout(0.5)
        self.cell = nn.LSTM(8, 6, num_layers=2, dropout=0.5, batch_first=True)
        self.head = nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.drop(self.norm(self.conv(x)).relu())
        return self.head(self.cell(x.flatten(2).transpose(1, 2))[0].mean(1))


class Fixed(nn.Module):
    """A graph that holds its batch size."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(1, 192)


class Branching(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.sum() > 0 else -x


@pytest.fixture(scope="module")
def program(network: nn.Module) -> Program:
    return trace(network, IMAGE)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_the_program_computes_what_the_network_does(
    network: nn.Module, program: Program, batch: int
) -> None:
    x = torch.randn(batch, 3, 8, 8)
    torch.testing.assert_close(program.module(x), network(x))


def test_training_mode_is_a_matter_of_flags(program: Program) -> None:
    one = program.copy()
    x = torch.randn(4, 3, 8, 8)
    still = one.module(x)
    set_training(one.module, True)
    assert not torch.equal(one.module(x), one.module(x)), "dropout is on"
    assert not torch.equal(
        one.module.norm.running_mean, program.module.norm.running_mean
    )
    one.module(x).sum().backward()
    assert all(p.grad is not None for p in one.module.parameters())
    set_training(one.module, False)
    assert torch.equal(one.module(x), one.module(x))
    assert not torch.equal(one.module(x), still), "the running statistics moved"
    torch.testing.assert_close(program.module(x), still)


def test_a_saved_program_needs_torch_alone(program: Program, tmp_path: Path) -> None:
    program.save(tmp_path / "net.pt2")
    assert [p.name for p in tmp_path.iterdir()] == ["net.pt2"]
    code = (
        "import sys, torch; m = torch.export.load('net.pt2').module();"
        "assert 'edgekit' not in sys.modules; print(m(torch.zeros(3, 3, 8, 8)).shape[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )  # fmt: skip
    assert done.stdout.strip() == "3"
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(load(tmp_path / "net.pt2").module(x), program.module(x))


def test_a_saved_program_does_not_tell_where_its_author_works(
    program: Program, tmp_path: Path
) -> None:
    program.save(tmp_path / "net.pt2")
    with zipfile.ZipFile(tmp_path / "net.pt2") as archive:
        for name in archive.namelist():
            assert str(Path(__file__).parent).encode() not in archive.read(name), name


def test_the_fingerprint_follows_weights_and_graph(
    network: nn.Module, program: Program
) -> None:
    assert program.copy().fingerprint() == program.fingerprint()
    other = program.copy()
    with torch.no_grad():
        other.module.head.bias[0] += 1
    assert other.fingerprint() != program.fingerprint()


class Arguments(nn.Module):
    """Operators whose arguments are all that a caller chooses."""

    def __init__(self, stride: int = 1, factor: float = 2.0, first: int = 0) -> None:
        super().__init__()
        self.stride, self.factor, self.first = stride, factor, first

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pooled = torch.nn.functional.avg_pool2d(x, 1, stride=self.stride)
        halves = pooled * self.factor, pooled.relu()
        return halves[self.first] - halves[1 - self.first]


def test_an_export_with_a_fixed_batch_is_traced_again(tmp_path: Path) -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)
    )
    exported = torch.export.export(network.eval(), (torch.randn(1, 3, 8, 8),))
    torch.export.save(exported, tmp_path / "fixed.pt2")
    x = torch.randn(5, 3, 8, 8)
    torch.testing.assert_close(load(tmp_path / "fixed.pt2").module(x), network(x))


def test_a_graph_that_holds_its_batch_is_refused(tmp_path: Path) -> None:
    exported = torch.export.export(Fixed(), (torch.randn(1, 3, 8, 8),))
    torch.export.save(exported, tmp_path / "fixed.pt2")
    with pytest.raises(ModelError, match=r"fixed batch of 1.*dynamic_shapes"):
        load(tmp_path / "fixed.pt2")


def test_what_cannot_be_read_or_traced_is_named(tmp_path: Path) -> None:
    (tmp_path / "junk.pt2").write_bytes(b"junk")
    with pytest.raises(ModelError, match=r"junk\.pt2"):
        load(tmp_path / "junk.pt2")
    with pytest.raises(ModelError, match="control flow"):
        trace(Branching(), IMAGE)
    with pytest.raises(ModelError, match=r"\[1, 8, 8\]"):
        trace(Net(), (InputSpec(shape=(1, 8, 8)),))


# --- what is kept is what was there -----------------------------------------------------------


class Several(nn.Module):
    """Two inputs whose arguments have other names, a tie, a frozen layer, two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 8)
        self.second = nn.Linear(8, 6)
        self.words = nn.Embedding(10, 6)
        self.out = nn.Linear(6, 10, bias=False)
        self.out.weight = self.words.weight
        self.first.weight.requires_grad_(False)
        self.register_buffer("scale", torch.rand(6))
        self.register_buffer("shift", torch.rand(6), persistent=False)

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, ...]:
        x = self.words(b).mean(1) + self.second(self.first(a).relu()) * self.scale
        return self.out(x + self.shift), x


class Last(nn.Module):
    """A weight whose channels lie last in memory, and a norm to fold into it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3).to(memory_format=torch.channels_last)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.conv(x)).mean((2, 3))


def multiple() -> Program:
    words = InputSpec(name="words", shape=(5,), dtype="int64")
    inputs = (InputSpec(name="pressure", shape=(4,)), words)
    return trace(Several(), inputs, (torch.float32, torch.int64))


def kept(program: Program, folder: Path) -> Program:
    program.save(folder / "kept.pt2")
    return load(folder / "kept.pt2")


def facts(program: Program) -> dict[str, object]:
    """All that a program carries beside the values of its tensors."""
    module, nodes = program.module, list(program.module.graph.nodes)
    names: dict[int, set[str]] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), set()).add(name)
    return {
        "inputs": program.inputs,
        "dtypes": program.dtypes,
        "parameters": {
            name: (tensor.requires_grad, tensor.stride(), tensor.dtype)
            for name, tensor in module.named_parameters()
        },
        "buffers": {n: (b.stride(), b.dtype) for n, b in module.named_buffers()},
        "left out of the state": module._non_persistent_buffers_set,
        "ties": sorted(map(sorted, names.values())),
        "nodes": [
            (node.name, str(node.target), str(node.args), str(node.kwargs))
            for node in nodes
            if node.op != "get_attr"
        ],
        "places": [
            [place for place, _ in (node.meta.get("nn_module_stack") or {}).values()]
            for node in nodes
            if node.op == "call_function"
        ],
    }


NAMED = (InputSpec(name="image", shape=(3, 8, 8)),)
KEPT = {
    "several": multiple,
    "strides": lambda: trace(Last(), NAMED),
    "folded": lambda: fold(trace(Last(), NAMED)),
    "recurrent": lambda: trace(Net(), NAMED),
    "kept twice": lambda: trace(Net(), NAMED),
}


@pytest.mark.parametrize("name", KEPT)
def test_a_program_that_was_kept_is_the_program(name: str, tmp_path: Path) -> None:
    program = KEPT[name]()
    again = kept(program, tmp_path)
    if name == "kept twice":
        again = kept(again, tmp_path)
    assert again.fingerprint() == program.fingerprint()
    assert facts(again) == facts(program)
    given = program.example(3)
    torch.testing.assert_close(
        again.module(*given), program.module(*given), rtol=0, atol=0
    )
    first = (tmp_path / "kept.pt2").read_bytes()
    again.save(tmp_path / "kept.pt2")
    # A bias that folding added is first once it was read: only then do the bytes repeat.
    assert (tmp_path / "kept.pt2").read_bytes() == first or name == "folded"


def test_where_the_authors_file_lay_is_not_in_the_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.py").write_text(
            "from torch import nn\n"
            "class Own(nn.Module):\n"
            "    def __init__(self):\n"
            "        super().__init__()\n"
            "        self.conv = nn.Conv2d(3, 4, 3)\n"
            "    def forward(self, x):\n"
            "        return self.conv(x).mean((2, 3))\n"
            "def build():\n"
            "    return Own()\n"
        )
        model = ModelSpec(source="model.py:build", input=NAMED[0])
        read = sources.load(model, root=tmp_path / name)
        read.save(tmp_path / name / "kept.pt2")
    one, two = ((tmp_path / name / "kept.pt2").read_bytes() for name in ("one", "two"))
    assert one == two


def test_what_ran_in_the_process_before_is_not_in_the_bytes(tmp_path: Path) -> None:
    """PyTorch's compiler notes in operators which functions it was kept out of."""
    network = trace(nn.BatchNorm2d(3), IMAGE)
    network.save(tmp_path / "kept.pt2")
    before = (tmp_path / "kept.pt2").read_bytes()
    for node in network.module.graph.nodes:
        noted = {**node.meta.get("custom", {}), "_torchdynamo_disable": True}
        node.meta["custom"] = noted
    network.save(tmp_path / "kept.pt2")
    assert (tmp_path / "kept.pt2").read_bytes() == before
