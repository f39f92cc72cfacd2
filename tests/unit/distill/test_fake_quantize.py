"""A student that rounds as int8 does while it learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.data import Dataset
from edgekit.data.samples import InMemory
from edgekit.distill import Distilled, distill, fake_quantize
from edgekit.program.batch_norm_folding import fold
from edgekit.program.program import Program, trace
from edgekit.types import DistillRecipe, InputSpec, Preprocess

SHAPE = (3, 6, 6)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.depth = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.other = nn.BatchNorm2d(8)
        self.head = nn.Linear(8 * 36, 4)
        self.last = nn.BatchNorm1d(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.wide(x)))
        x = nn.functional.hardswish(self.other(self.depth(x)))
        return self.last(self.head(x.flatten(1)))


def network(seed: int = 0) -> Program:
    """With statistics and scales of its own in every batch norm."""
    torch.manual_seed(seed)
    module = Net()
    for norm in (module.norm, module.other, module.last):
        nn.init.uniform_(norm.weight, 0.5, 2.0)
        nn.init.normal_(norm.bias)
    nn.init.constant_(module.last.weight, 4.0)  # answers that are sure of themselves
    for _ in range(5):
        module(3 * torch.randn(32, *SHAPE) + 1)
    return trace(module, (InputSpec(shape=SHAPE),))


def inputs(count: int = 64, seed: int = 1) -> torch.Tensor:
    return torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(seed))


def operators(program: Program) -> list[str]:
    nodes = program.module.graph.nodes
    return [str(node.target) for node in nodes if node.op == "call_function"]


def test_folded_batch_norms_change_nothing() -> None:
    whole = network()
    folded = fold(whole)
    assert sum("batch_norm" in name for name in operators(whole)) == 3
    assert not any("batch_norm" in name for name in operators(folded))
    x = inputs()
    torch.testing.assert_close(folded.module(x), whole.module(x), rtol=1e-5, atol=1e-5)
    assert any("batch_norm" in name for name in operators(whole)), "a copy was folded"


def test_a_layer_that_others_read_keeps_its_batch_norm() -> None:
    class Split(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.norm = nn.Linear(4, 4), nn.BatchNorm1d(4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.layer(x)
            return y + self.norm(y)

    folded = fold(trace(Split(), (InputSpec(shape=(4,)),)))
    assert any("batch_norm" in name for name in operators(folded))


def rounded(program: Program) -> torch.fx.GraphModule:
    module = fake_quantize.fake_quantized(program.module)
    fake_quantize.show(module, iter([(inputs(),)]))
    fake_quantize.watch(module, False)
    return module


def answer(module: torch.fx.GraphModule, x: torch.Tensor) -> torch.Tensor:
    made = module(x)
    return made[0] if isinstance(made, tuple | list) else made


def test_answers_are_those_of_rounded_weights_and_activations() -> None:
    program = fold(network())
    module = rounded(program)
    x = inputs(16, seed=2)
    given, exact = answer(module, x), program.module(x)
    steps = torch.unique(given.detach())
    assert 3 < len(steps) <= 256, "one scale of int8 for the whole answer"
    apart = (given - exact).abs().max() / exact.abs().max()
    assert 1e-4 < apart < 0.2
    names = [str(n.target) for n in module.graph.nodes if n.op == "call_module"]
    places = [n for n in module.graph.nodes if n.op == "call_module"]
    weights = [n for n in places if n.args[0].op == "get_attr"]
    assert len(weights) == 3
    for node in weights:
        fake = module.get_submodule(str(node.target))
        assert (
            fake.scale.numel()
            == program.module.get_parameter(str(node.args[0].target)).shape[0]
        ), "a scale for each channel"
        assert not fake.zero_point.any()
    assert len(names) - len(weights) == 5


def test_ranges_stand_still_unless_they_are_watched() -> None:
    module = rounded(fold(network()))
    before = {k: v.clone() for k, v in module.state_dict().items()}
    answer(module, 100 * inputs())
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    fake_quantize.watch(module, True)
    answer(module, 100 * inputs())
    assert any(not torch.equal(v, before[k]) for k, v in module.state_dict().items())


def test_a_student_learns_the_rounding_and_comes_back_in_float() -> None:
    teacher = network()
    x = inputs(256, seed=3)
    data = Dataset(
        InMemory(values=x.numpy()),
        np.full(256, -1),
        labels=(),
        preprocess=Preprocess(scale=1),
    )
    student = teacher.copy()
    with torch.no_grad():  # small channels drown in the rounding of large ones
        size = torch.logspace(0, 2, 8)
        student.module.get_parameter("norm.weight").mul_(size)
        student.module.get_parameter("norm.bias").mul_(size)
        student.module.get_parameter("depth.weight").div_(size.reshape(-1, 1, 1, 1))
    recipe = DistillRecipe(
        epochs=6, batch_size=32, optimizer="adamw", learning_rate=1e-3, augment="none",
        losses={},
    )  # fmt: skip

    def distilled(**options: object) -> Distilled:
        return distill(
            teacher, student, train=data, validation=data, recipe=recipe, seed=0,
            **options,  # type: ignore[arg-type]
        )  # fmt: skip

    found = distilled(qat=True)
    assert found.epochs[0].loss > 2 * distilled().epochs[0].loss, "rounding costs"
    first, last = found.epochs[0], found.epochs[-1]
    assert last.validation > first.validation
    assert last.loss < first.loss
    assert not any("batch_norm" in name for name in operators(found.program))
    assert not any(n.op == "call_module" for n in found.program.module.graph.nodes)
    again = answer(rounded(found.program), x).argmax(1)
    agreed = (again == teacher.module(x).argmax(1)).float().mean()
    assert agreed == pytest.approx(found.epochs[found.kept_epoch].validation, abs=0.05)
    assert distilled(qat=True).program.fingerprint() == found.program.fingerprint()
