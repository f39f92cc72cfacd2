"""A network in memory: the author's module stays as it is, and ours trains in any loop."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

import edgekit as ek
from edgekit.errors import ModelError, OutputError
from tests.shapes import Net, loader, train

EXAMPLE = torch.zeros(1, 1, 8, 8)


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    return Net().eval()


def test_the_authors_module_is_left_as_it_is(net: Net) -> None:
    net.train()
    net.stem.weight.requires_grad_(False)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    network = ek.load(net, example_input=EXAMPLE)
    train(network.module, loader(64, seed=1), epochs=1)
    assert net.training
    assert not net.stem.weight.requires_grad
    assert all(torch.equal(before[n], v) for n, v in net.state_dict().items())
    assert not torch.equal(network.module.state_dict()["stem.weight"], net.stem.weight)


def test_the_module_computes_and_is_called_as_the_authors(net: Net) -> None:
    network = ek.load(net, example_input=torch.zeros(5, 1, 8, 8))
    x = torch.randn(7, 1, 8, 8)
    torch.testing.assert_close(network.module(x), net(x))
    assert network.module.state_dict().keys() == net.state_dict().keys()
    assert {n for n, _ in network.module.named_parameters()} == {
        n for n, _ in net.named_parameters()
    }
    assert network.parameters == sum(p.numel() for p in net.parameters())
    assert network.inputs[0].shape == (1, 8, 8)
    assert repr(network) == "Network(inputs=[1, 8, 8], parameters=2563)"


def test_modes_switch_dropout_and_batch_norm(net: Net) -> None:
    module = ek.load(net, example_input=EXAMPLE).module
    x = torch.randn(64, 1, 8, 8)
    assert not module.training
    assert torch.equal(module(x), module(x))
    mean = module.state_dict()["norm.running_mean"].clone()
    assert module.train() is module
    assert module.training
    assert not torch.equal(module(x), module(x))
    assert not torch.equal(module.state_dict()["norm.running_mean"], mean)
    module.eval()
    assert torch.equal(module(x), module(x))


def test_what_a_loop_learned_is_in_the_network(net: Net, tmp_path: Path) -> None:
    network = ek.load(net, example_input=EXAMPLE)
    data = ek.Data(test=loader(90, seed=2))
    train(network.module, loader(192, seed=1, shuffle=True), epochs=3)
    assert ek.evaluate(network, data).value > 0.9
    network.module.train()
    assert ek.evaluate(network, data).value > 0.9
    network.save(tmp_path / "network.pt2")
    again = ek.load(tmp_path / "network.pt2")
    assert network.module.training
    assert ek.evaluate(again, data) == ek.evaluate(network, data)


def test_weights_move_load_and_copy(net: Net) -> None:
    network = ek.load(net, example_input=EXAMPLE)
    x = torch.randn(4, 1, 8, 8)
    doubled = copy.deepcopy(network.module).to(torch.float64)
    assert doubled(x.double()).dtype == torch.float64
    torch.testing.assert_close(doubled(x.double()).float(), network.module(x))
    other = Net().eval()
    network.module.load_state_dict(other.state_dict())
    torch.testing.assert_close(network.module(x), other(x))
    torch.testing.assert_close(doubled(x.double()).float(), net(x))
    average = torch.optim.swa_utils.AveragedModel(network.module)
    torch.testing.assert_close(average(x), other(x))
    copied = network.copy()
    nn.init.zeros_(network.module.get_parameter("head.weight"))
    torch.testing.assert_close(copied.module(x), other(x))


def test_tensors_of_the_network_itself_move_too() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shift = nn.Parameter(torch.ones(3))
            self.register_buffer("scale", torch.full((3,), 2.0))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * self.scale + self.shift

    network = ek.load(Scaled(), example_input=torch.zeros(1, 3))
    module = network.module
    x = torch.ones(2, 3, dtype=torch.float64)
    assert module.to(torch.float64)(x).tolist() == [[3.0] * 3] * 2
    assert module(x).dtype == torch.float64
    for tensors in (module.state_dict(), network.program.module.state_dict()):
        assert {tensor.dtype for tensor in tensors.values()} == {torch.float64}


def test_a_file_that_cannot_be_written(net: Net, tmp_path: Path) -> None:
    network = ek.load(net, example_input=EXAMPLE)
    with pytest.raises(OutputError, match="nowhere"):
        network.save(tmp_path / "nowhere" / "network.pt2")
    assert not any(tmp_path.iterdir())


def test_half_precision_becomes_float32(net: Net) -> None:
    network = ek.load(net.half(), example_input=EXAMPLE.half())
    assert {p.dtype for p in network.module.parameters()} == {torch.float32}
    assert net.stem.weight.dtype == torch.float16
    assert network.module(torch.zeros(2, 1, 8, 8)).dtype == torch.float32


def test_several_inputs() -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(10, 4)
            self.head = nn.Linear(7, 2)

        def forward(self, x: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
            return self.head(torch.cat([x, self.words(tokens).mean(1)], 1))

    examples = torch.zeros(1, 3), torch.zeros(1, 5, dtype=torch.int64)
    network = ek.load(Pair(), example_inputs=examples)
    assert [spec.shape for spec in network.inputs] == [(3,), (5,)]
    assert network.module(torch.zeros(4, 3), torch.ones(4, 5).long()).shape == (4, 2)


def test_a_file_of_a_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = "from torch import nn\ndef build():\n    return nn.Linear(3, 2)\n"
    Path("model.py").write_text(source)
    network = ek.load("model.py:build", example_input=torch.zeros(1, 3))
    assert network.parameters == 8


@pytest.mark.parametrize(
    ("example", "message"),
    [
        (None, "example_input"),
        (torch.zeros(3), "of shape [3]"),
        ([[0.0]], "a list"),
        (torch.zeros(1, 3, 8, 8), "3"),
    ],
)
def test_an_example_that_does_not_fit(net: Net, example: object, message: str) -> None:
    with pytest.raises(ModelError) as refused:
        ek.load(net, example_input=example)  # type: ignore[arg-type]
    assert message in str(refused.value)


def test_a_traced_module_is_refused(net: Net) -> None:
    with pytest.raises(ModelError, match="TorchScript, which keeps no Python code"):
        ek.load(torch.jit.trace(net, EXAMPLE), example_input=EXAMPLE)


def test_a_path_that_is_not_a_network() -> None:
    with pytest.raises(ModelError, match=r"network\.bin"):
        ek.load("network.bin")
