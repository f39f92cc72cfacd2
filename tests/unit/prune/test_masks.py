from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from edgekit.data import Dataset
from edgekit.data.samples import InMemory
from edgekit.distill import Hooks, distill
from edgekit.errors import UsageError
from edgekit.evaluate.accuracy import evaluate
from edgekit.program.program import Program, set_training, trace
from edgekit.prune.masks import (
    Masks,
    density,
    held,
    magnitude_masks,
    n_m_masks,
    zero,
    zero_,
)
from edgekit.types import DistillRecipe, InputSpec, Preprocess


def network(seed: int = 0) -> Program:
    """Plain, depthwise and pointwise convolutions and a linear layer."""
    torch.manual_seed(seed)
    module = nn.Sequential(
        nn.Conv2d(3, 18, 3, padding=1),
        nn.BatchNorm2d(18),
        nn.ReLU(),
        nn.Conv2d(18, 18, 3, padding=1, groups=18),
        nn.Conv2d(18, 16, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 4),
    )
    return trace(module, (InputSpec(shape=(3, 6, 6)),))


def weight(program: Program, name: str) -> torch.Tensor:
    return program.module.get_parameter(name).detach()


def broken(program: Program, masks: Masks) -> int:
    """Number of masked weights that are not zero."""
    return sum(
        int(weight(program, name)[~mask].count_nonzero())
        for name, mask in masks.items()
    )


WEIGHTS = {"0.weight", "3.weight", "4.weight", "8.weight"}


def test_global_magnitude_removes_the_smallest_of_all() -> None:
    program = network()
    masks = magnitude_masks(program, 0.8)
    assert masks.keys() == WEIGHTS
    assert density(masks) == pytest.approx(0.2, abs=0.002)
    kept = torch.cat([weight(program, n)[m].abs() for n, m in masks.items()])
    gone = torch.cat([weight(program, n)[~m].abs() for n, m in masks.items()])
    assert kept.min() >= gone.max()
    fractions = [float(mask.float().mean()) for mask in masks.values()]
    assert max(fractions) - min(fractions) > 0.1


def test_magnitude_by_layer_is_as_sparse_everywhere() -> None:
    for name, mask in magnitude_masks(network(), 0.75, "layer").items():
        assert int((~mask).sum()) == round(0.75 * mask.numel()), name


def test_no_layer_is_emptied_by_a_common_threshold() -> None:
    program = network()
    with torch.no_grad():
        program.module.get_parameter("4.weight").mul_(1e-6)
    assert int(magnitude_masks(program, 0.5)["4.weight"].sum()) == 1


def test_ties_do_not_change_how_many_go() -> None:
    program = network()
    with torch.no_grad():
        program.module.get_parameter("8.weight").fill_(1.0)
    mask = magnitude_masks(program, 0.5, "layer")["8.weight"]
    assert int(mask.sum()) == mask.numel() // 2


def test_two_of_four_input_channels_stay_and_they_are_the_largest() -> None:
    program = network()
    masks = n_m_masks(program, 2, 4)
    assert masks.keys() == {"4.weight", "8.weight"}, "others read fewer than 4 channels"
    linear = masks["8.weight"].reshape(4, 4, 4)
    assert (linear.sum(-1) == 2).all()
    sizes = weight(program, "8.weight").abs().reshape(4, 4, 4)
    least = torch.where(linear, sizes, torch.inf).amin(-1)
    assert (least >= torch.where(linear, 0.0, sizes).amax(-1)).all()
    pointwise = masks["4.weight"][:, :, 0, 0]
    assert (pointwise[:, :16].reshape(16, 4, 4).sum(-1) == 2).all()
    assert pointwise[:, 16:].all(), "a rest of fewer than four stays"


def test_zero_leaves_its_program_alone() -> None:
    program = network()
    before = program.fingerprint()
    masks = magnitude_masks(program, 0.6)
    sparse = zero(program, masks)
    assert program.fingerprint() == before
    assert broken(program, masks) > 0
    assert broken(sparse, masks) == 0
    for name, mask in masks.items():
        assert torch.equal(weight(sparse, name)[mask], weight(program, name)[mask])


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
@pytest.mark.parametrize("history", [False, True])
def test_masks_hold_through_training(
    kind: type[torch.optim.Optimizer], history: bool
) -> None:
    program = network()
    masks = magnitude_masks(program, 0.7)
    module = program.module
    for parameter in module.parameters():
        parameter.requires_grad_()
    more = {"momentum": 0.9} if kind is torch.optim.SGD else {}
    optimizer = kind(module.parameters(), lr=0.01, weight_decay=1e-3, **more)
    x, y = torch.randn(16, 3, 6, 6), torch.randint(4, (16,))

    def train() -> None:
        set_training(module, True)
        for _ in range(3):
            optimizer.zero_grad()
            F.cross_entropy(module(x), y).backward()
            optimizer.step()
        set_training(module, False)

    if history:
        train()
    start = weight(program, "0.weight").clone()
    with held(module, masks, optimizer if history else None):
        train()
        assert broken(program, masks) == 0
        assert not torch.equal(weight(program, "0.weight"), start)
    train()
    assert broken(program, masks) > 0, "a mask outlived its with"


def colors(count: int, seed: int) -> Dataset:
    generator = np.random.default_rng(seed)
    targets = generator.integers(0, 3, count)
    values = generator.normal(size=(count, 3, 6, 6)).astype(np.float32)
    values[np.arange(count), targets] += 1.0
    return Dataset(
        InMemory(values=values),
        targets,
        labels=("red", "green", "blue"),
        preprocess=Preprocess(scale=1),
    )


def test_masks_survive_distillation() -> None:
    train, validation = colors(160, 0), colors(80, 1)
    recipe = DistillRecipe(epochs=2, batch_size=16, learning_rate=0.05, soft_weight=0.0)
    program = network()
    distilled = distill(
        program, program, train=train, validation=validation, recipe=recipe, seed=0
    ).program
    masks = magnitude_masks(distilled, 0.8)
    sparse = zero(distilled, masks)
    result = distill(
        distilled, sparse, train=train, validation=validation, recipe=recipe, seed=0,
        hooks=Hooks(after_step=lambda module: zero_(module, masks)),
    ).program  # fmt: skip
    assert broken(result, masks) == 0
    assert not torch.equal(weight(result, "0.weight"), weight(sparse, "0.weight"))
    assert evaluate(result, validation).value >= evaluate(sparse, validation).value


@pytest.mark.parametrize("sparsity", [-0.1, 1.0])
def test_a_sparsity_is_a_share(sparsity: float) -> None:
    with pytest.raises(UsageError, match=f"Sparsity {sparsity:g} is not a fraction"):
        magnitude_masks(network(), sparsity)


def test_wrong_words_and_patterns_are_refused() -> None:
    with pytest.raises(UsageError, match="No scope 'row'"):
        magnitude_masks(network(), 0.5, "row")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="pattern of 4 in 4"):
        n_m_masks(network(), 4, 4)


def test_masks_of_another_network_are_refused() -> None:
    program = network()
    with pytest.raises(UsageError, match=r"no parameter 'elsewhere' to mask"):
        zero(program, {"elsewhere": torch.ones(3, dtype=torch.bool)})
    with pytest.raises(UsageError, match=r"'8\.weight' has shape \(2, 2\)"):
        zero(program, {"8.weight": torch.ones(2, 2, dtype=torch.bool)})
