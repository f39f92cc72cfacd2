from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.data import Dataset
from edgekit.data.samples import InMemory
from edgekit.distill import Hooks, distill
from edgekit.errors import UsageError
from edgekit.evaluate.accuracy import evaluate
from edgekit.graph.graph import WidthGraph, analyze
from edgekit.graph.surgery import shrink
from edgekit.program.program import Program, trace
from edgekit.prune.importance import importance
from edgekit.prune.sparsity import Growing, group_lasso, l1_scales, penalty
from edgekit.types import DistillRecipe, ImportanceName, InputSpec, Plan, Preprocess
from tests.unit.graph.networks import mlp, resnet
from tests.zoo.models import ZOO


def residual() -> WidthGraph:
    torch.manual_seed(0)
    return analyze(trace(resnet(), (InputSpec(shape=(3, 8, 8)),)))


def trainable(graph: WidthGraph) -> Program:
    """A copy that trains, as distillation makes one."""
    program = graph.program.copy()
    for parameter in program.module.parameters():
        parameter.requires_grad_()
    return program


def test_l1_of_scales_is_their_sum() -> None:
    graph = residual()
    program = trainable(graph)
    module = program.module
    with torch.no_grad():
        module.get_parameter("1.weight")[2] = -4.0
    norms = [
        p
        for name, p in module.named_parameters()
        if name.endswith(("bn1.weight", "bn2.weight")) or name == "1.weight"
    ]
    assert len(norms) == 7
    expected = 0.5 * sum(float(scales.detach().abs().sum()) for scales in norms)
    total = l1_scales(graph, 0.5)(module)
    assert float(total) == pytest.approx(expected)
    total.backward()
    gradient = module.get_parameter("1.weight").grad
    assert gradient is not None
    assert gradient[2] == -0.5
    assert module.get_parameter("0.weight").grad is None


@pytest.mark.parametrize(
    "name", ["grouped_norm", "gqa_encoder", "lstm_bidirectional", "unet"]
)
def test_group_lasso_sees_every_weight_that_surgery_would_remove(name: str) -> None:
    """Its norms are those of the l2 criterion, which tests of its own hold to the weights."""
    graph = analyze(ZOO[name].program())
    norms = importance(graph, "l2", normalize=False)
    sizes = {
        group.id: _weights_of_units(graph, group.id, group.units)
        for group in graph.groups
    }
    expected = sum(
        float((np.sqrt(sizes[key]) * score).sum()) for key, score in norms.items()
    )
    total = group_lasso(graph, 1.0)(graph.program.module)
    assert float(total) == pytest.approx(expected, rel=1e-4)


def _weights_of_units(graph: WidthGraph, group: str, units: int) -> np.ndarray:
    parameters = dict(graph.program.module.named_parameters(remove_duplicate=False))
    counts = np.zeros(units)
    [found] = [g for g in graph.groups if g.id == group]
    for slot in found.slots:
        if slot.parameter in parameters:
            shape = parameters[slot.parameter].shape
            for members in slot.units:
                for unit in members:
                    counts[unit] += shape.numel() / shape[slot.dim]
    return counts


def test_the_slope_of_group_lasso_is_its_own() -> None:
    graph = residual()
    module = trainable(graph).module
    total = group_lasso(graph, 0.1)
    total(module).backward()
    weight = module.get_parameter("3.conv2.weight")
    assert weight.grad is not None
    for place in [(0, 0, 0, 0), (3, 5, 2, 1)]:
        with torch.no_grad():
            before = float(weight[place])
            weight[place] = before + 1e-2
            above = float(total(module))
            weight[place] = before - 1e-2
            below = float(total(module))
            weight[place] = before
        slope = (above - below) / 2e-2
        assert float(weight.grad[place]) == pytest.approx(slope, rel=0.02, abs=1e-3)


def test_growing_pulls_harder_each_step_and_only_at_what_goes() -> None:
    torch.manual_seed(0)
    graph = analyze(trace(mlp(), (InputSpec(shape=(6,)),)))
    first = graph.groups[0]
    kept = tuple(range(0, first.units, 2))
    going = [unit for unit in range(first.units) if unit not in kept]
    growing = Growing(graph, Plan(kept={first.id: kept}), steps=4, ceiling=2.0)
    module = trainable(graph).module
    assert float(growing(module)) == 0.0
    strengths = []
    for _ in range(6):
        strengths.append(growing.strength)
        for parameter in module.parameters():
            parameter.grad = None
        growing(module).backward()
        weight = module.get_parameter("0.weight")
        assert weight.grad is not None
        torch.testing.assert_close(weight.grad[going], strengths[-1] * weight[going])
        assert not weight.grad[list(kept)].any()
        reading = module.get_parameter("2.weight")
        assert reading.grad is not None
        assert reading.grad[:, going].abs().min() > 0
        assert not reading.grad[:, list(kept)].any()
    assert strengths == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.0, 2.0])


# --- what it is for -----------------------------------------------------------------------------


INPUT = InputSpec(shape=(1, 6, 6))
RECIPE = DistillRecipe(
    epochs=6, batch_size=16, learning_rate=0.05, soft_weight=0.5, augment="none"
)


def bright_side(count: int, seed: int) -> Dataset:
    """Noise with one bright edge: up, right, down or left."""
    generator = np.random.default_rng(seed)
    targets = generator.integers(0, 4, count)
    values = generator.normal(size=(count, 1, 6, 6)).astype(np.float32)
    for image, side in zip(values, targets, strict=True):
        np.rot90(image[0], side)[0] += 1.5
    return Dataset(
        InMemory(values=values),
        targets,
        labels=("up", "right", "down", "left"),
        preprocess=Preprocess(scale=1),
    )


TRAIN, VALIDATION, TEST = bright_side(256, 0), bright_side(64, 1), bright_side(300, 2)


def distilled(program: Program, hooks: Hooks | None = None) -> Program:
    return distill(
        program, program, train=TRAIN, validation=VALIDATION, recipe=RECIPE, seed=0,
        hooks=hooks,
    ).program  # fmt: skip


@pytest.fixture(scope="module")
def teacher() -> Program:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 24, 3, padding=1, bias=False),
        nn.BatchNorm2d(24),
        nn.ReLU(),
        nn.Conv2d(24, 24, 3, padding=1, bias=False),
        nn.BatchNorm2d(24),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(24 * 9, 4),
    )
    return distilled(trace(module, (INPUT,)))


def quarter(program: Program, criterion: ImportanceName = "l2") -> tuple[Plan, float]:
    """The plan that leaves a quarter of every width, and the fraction of importance it removes."""
    graph = analyze(program)
    scores = importance(graph, criterion)
    kept = {
        group.id: tuple(
            sorted(np.argsort(-scores[group.id])[: group.units // 4].tolist())
        )
        for group in graph.groups
    }
    lost = [
        1 - scores[name][list(units)].sum() / scores[name].sum()
        for name, units in kept.items()
    ]
    return Plan(kept=kept), float(np.mean(lost))


def after_cut(program: Program, plan: Plan | None = None) -> float:
    graph = analyze(program)
    return evaluate(shrink(graph, plan or quarter(program)[0]), TEST).value


@pytest.mark.parametrize(
    ("kind", "strength"),
    [("l1-scales", 0.1), ("group-lasso", 0.004), ("growing", 1.0)],
)
def test_a_cut_costs_less_after_training_for_it(
    teacher: Program, kind: str, strength: float
) -> None:
    graph = analyze(teacher)
    plan = quarter(teacher)[0] if kind == "growing" else None
    expected = penalty(kind, graph, plan=plan, steps=70, strength=strength)
    plain, prepared = distilled(teacher), distilled(teacher, Hooks(penalty=expected))
    # By what the penalty acts on: the scales, or all weights of a unit.
    criterion: ImportanceName = "batchnorm" if kind == "l1-scales" else "l2"
    assert quarter(prepared, criterion)[1] < quarter(plain, criterion)[1] - 0.04
    assert evaluate(prepared, TEST).value > evaluate(plain, TEST).value - 0.05
    assert after_cut(prepared, plan) > after_cut(plain, plan) + 0.05


# --- refusals -------------------------------------------------------------------------------------


def test_an_unknown_penalty_is_named_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"'group-laso'\. Did you mean 'group-lasso'"):
        penalty("group-laso", residual())


def test_growing_needs_a_plan_and_steps() -> None:
    with pytest.raises(UsageError, match="needs the plan"):
        penalty("growing", residual(), steps=3)
    with pytest.raises(UsageError, match="Growing over 0 steps"):
        penalty("growing", residual(), plan=Plan(kept={}), steps=0)


def test_scales_need_batch_norm() -> None:
    graph = analyze(trace(mlp(), (InputSpec(shape=(6,)),)))
    with pytest.raises(UsageError, match="Choose 'group-lasso'"):
        penalty("l1-scales", graph)
