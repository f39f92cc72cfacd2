"""Statistics of batch norm taken again, because those of a network do not hold for its cut.

Li et al., "EagleEye", 2020, arXiv:2007.02491.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, fx

from edgekit.program.placement import CPU, best_device, place
from edgekit.program.program import Program, set_training

_NORM = torch.ops.aten.batch_norm.default


def normalizes(program: Program) -> bool:
    """Return whether a network has batch norm with statistics of its own."""
    return any(_own(node) for node in program.module.graph.nodes)


def reestimated(
    program: Program,
    batches: Iterable[tuple[Tensor, ...]],
    *,
    device: torch.device | None = None,
) -> Program:
    """A copy whose batch norms have the mean of these batches' means and (unbiased) variances.

    `batches` are inputs, each (samples, ...). Every batch is normalized by its own statistics, as
    in training and in `torch.optim.swa_utils.update_bn`, which takes layers and not graphs; the
    rest, such as dropout, is as in evaluation. It runs on `device`, by default the accelerator
    where there is one.
    """
    on = device or best_device()
    found = program.copy()
    set_training(found.module, False)
    module = place(found.module, on)
    with torch.no_grad():
        for number, inputs in enumerate(batches, 1):
            given = (each.to(on) for each in inputs)
            _Counting(module, 1 / number).run(*given)
    place(module, CPU)
    return found


class _Counting(fx.Interpreter):
    """Runs a network, moving its statistics by `momentum` towards the batch's."""

    def __init__(self, module: fx.GraphModule, momentum: float) -> None:
        super().__init__(module)
        self.momentum = momentum

    def run_node(self, n: fx.Node) -> Any:
        if not _own(n):
            return super().run_node(n)
        (values, *others), _ = self.fetch_args_kwargs_from_env(n)
        weight, bias, mean, variance, _, _, epsilon = others[:7]
        batch = True, self.momentum, epsilon, False
        return torch.batch_norm(values, weight, bias, mean, variance, *batch)


def _own(node: fx.Node) -> bool:
    return node.target is _NORM and isinstance(node.args[3], fx.Node)
