"""Plans to try on any network, and what a cut must equal."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from edgekit.graph.graph import Group
from edgekit.program.program import Program, set_training
from edgekit.types import Plan
from tests.zoo.over_kept import leaves


def random_plan(groups: Sequence[Group], fraction: float, seed: int = 0) -> Plan:
    """Drop `fraction` of each group's units, at random; at least one stays."""
    draw = random.Random(seed)
    return Plan(
        kept={
            group.id: tuple(
                sorted(
                    draw.sample(
                        range(group.units), max(1, round(group.units * (1 - fraction)))
                    )
                )
            )
            for group in groups
        }
    )


def outputs(program: Program, inputs: tuple[Tensor, ...]) -> list[Tensor]:
    with torch.no_grad():
        return leaves(program.module(*inputs))


def relative_error(got: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    """Largest difference over the largest magnitude, of the output where that is worst."""
    assert [tuple(t.shape) for t in got] == [tuple(t.shape) for t in expected]
    pairs = zip(got, expected, strict=True)
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)


def macs(program: Program, inputs: tuple[Tensor, ...]) -> int:
    """Multiply-accumulates of convolutions and matrix products for these inputs."""
    return module_macs(program.module, inputs)


def module_macs(module: nn.Module, inputs: tuple[Tensor, ...]) -> int:
    """The same of a module that is not traced."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(*inputs)
    return int(counter.get_total_flops()) // 2


def train_one_step(program: Program, inputs: tuple[Tensor, ...]) -> bool:
    """One step of gradient descent on the sum of squared outputs; whether most parameters moved."""
    set_training(program.module, True)
    parameters = [p.requires_grad_() for p in program.module.parameters()]
    before = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.SGD(parameters, lr=1e-3)
    loss = torch.stack([(y**2).mean() for y in leaves(program.module(*inputs))]).sum()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    set_training(program.module, False)
    moved = [bool((p != b).any()) for p, b in zip(parameters, before, strict=True)]
    finite = all(bool(p.isfinite().all()) for p in parameters)
    return finite and sum(moved) > len(moved) / 2
