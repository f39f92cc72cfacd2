"""Weights computed from weights become parameters whose units can be cut."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations, parametrize, prune
from torch.nn.utils import spectral_norm as old_spectral
from torch.nn.utils import weight_norm as old_weight

from edgekit.graph.graph import analyze
from edgekit.graph.surgery import shrink
from edgekit.program.program import trace
from edgekit.types import InputSpec, Plan

ROW = (InputSpec(shape=(6,)),)


class Scaled(nn.Module):
    """A parametrization of the author's own, with a weight of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(2.0))

    def forward(self, weight: Tensor) -> Tensor:
        return self.gain * weight / weight.norm()


class Standardized(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean(0, keepdim=True)
        return functional.linear(x, weight / weight.std(), self.bias)


def own(layer: nn.Linear) -> nn.Module:
    return parametrize.register_parametrization(layer, "weight", Scaled())


def hooked(layer: nn.Linear) -> nn.Module:
    weight = layer.weight
    del layer._parameters["weight"]
    layer.register_parameter("raw", weight)
    layer.weight = weight.detach()

    def compute(module: nn.Module, _: object) -> None:
        module.weight = module.raw / module.raw.norm()

    layer.register_forward_pre_hook(compute)
    return layer


def masked(layer: nn.Linear) -> nn.Module:
    return prune.l1_unstructured(layer, "weight", 0.3)


WAYS: dict[str, Callable[[nn.Linear], nn.Module]] = {
    "weight norm": parametrizations.weight_norm,
    "spectral norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
    "the author's own": own,
    "old weight norm": old_weight,
    "old spectral norm": old_spectral,
    "a hook of the author's": hooked,
    "masks of torch": masked,
}


def network(way: Callable[[nn.Linear], nn.Module]) -> nn.Sequential:
    torch.manual_seed(0)
    layers = way(nn.Linear(6, 8)), nn.ReLU(), way(nn.Linear(8, 8)), nn.Tanh()
    return nn.Sequential(*layers, nn.Linear(8, 3)).eval()


def standardized(layer: nn.Linear) -> nn.Module:
    made = Standardized(layer.in_features, layer.out_features)
    made.load_state_dict(layer.state_dict())
    return made


@pytest.mark.parametrize("name", [*WAYS, "standardized in forward"])
def test_a_cut_is_what_the_author_silences(name: str) -> None:
    author = network(WAYS.get(name, standardized))
    x = torch.randn(3, 6)
    before = {key: value.clone() for key, value in author.state_dict().items()}
    graph = analyze(trace(author, ROW))
    with torch.no_grad():
        whole = author(x)
        torch.testing.assert_close(graph.program.module(x), whole)
        group = next(
            g for g in graph.groups if any("0." in s.parameter for s in g.slots)
        )
        hidden = author[1](author[0](x))
        hidden[:, :4] = 0
        cut = shrink(graph, Plan(kept={group.id: (4, 5, 6, 7)}))
        torch.testing.assert_close(cut.module(x), author[2:](hidden))
        torch.testing.assert_close(author(x), whole)
    after = author.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[key], before[key]) for key in before)
    names = {name for name, _ in graph.program.module.named_parameters()}
    assert len(names) == 6, names
