"""Plans to try on any network, and what a cut must equal."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils.flop_counter import FlopCounterMode

from edgekit.prune.graph import Group, WidthGraph
from edgekit.source.program import Program, set_training
from edgekit.types import Plan


def random_plan(groups: Sequence[Group], share: float, seed: int = 0) -> Plan:
    """Drop `share` of each group's units, at random; at least one stays."""
    draw = random.Random(seed)
    return Plan(
        kept={
            group.id: tuple(
                sorted(
                    draw.sample(
                        range(group.units), max(1, round(group.units * (1 - share)))
                    )
                )
            )
            for group in groups
        }
    )


def outputs(program: Program, inputs: tuple[Tensor, ...]) -> list[Tensor]:
    with torch.no_grad():
        return flat(program.module(*inputs))


def flat(result: Any) -> list[Tensor]:
    return [result] if isinstance(result, Tensor) else list(result)


def relative_error(got: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    """Largest difference over the largest magnitude, of the output where that is worst."""
    assert [tuple(t.shape) for t in got] == [tuple(t.shape) for t in expected]
    pairs = zip(got, expected, strict=True)
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)


def macs(program: Program, inputs: tuple[Tensor, ...]) -> int:
    """Multiply-accumulates of convolutions and matrix products for these inputs."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        program.module(*inputs)
    return int(counter.get_total_flops()) // 2


def train_one_step(program: Program, inputs: tuple[Tensor, ...]) -> bool:
    """One step of gradient descent on the sum of squared outputs; whether most parameters moved."""
    set_training(program.module, True)
    parameters = [p.requires_grad_() for p in program.module.parameters()]
    before = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.SGD(parameters, lr=1e-3)
    loss = torch.stack([(y**2).mean() for y in flat(program.module(*inputs))]).sum()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    set_training(program.module, False)
    moved = [bool((p != b).any()) for p, b in zip(parameters, before, strict=True)]
    finite = all(bool(p.isfinite().all()) for p in parameters)
    return finite and sum(moved) > len(moved) / 2


def norms_over_kept(
    masked: Program, graph: WidthGraph, plan: Plan, inputs: tuple[Tensor, ...]
) -> list[Tensor]:
    """What `masked` gives where norms and means count only the units that stay.

    That is what a cut must equal when it runs through a norm: zeroing alone leaves the removed
    units in the statistics.
    """
    interpreter = _OverKept(masked, graph, plan)
    with torch.no_grad():
        return flat(interpreter.run(*inputs))


class _OverKept(fx.Interpreter):
    def __init__(self, masked: Program, graph: WidthGraph, plan: Plan) -> None:
        super().__init__(masked.module)
        self.widths = graph
        self.kept = {name: set(units) for name, units in plan.kept.items()}
        self.originals = {n.name: n for n in graph.program.module.graph.nodes}
        self.narrowed: dict[str, Callable[..., Any]] = {
            "layer_norm": self._layer_norm,
            "group_norm": self._group_norm,
            "mean": self._mean,
        }

    def run_node(self, n: fx.Node) -> Any:
        name = getattr(n.target, "__name__", "").partition(".")[0]
        original = self.originals.get(n.name)
        if n.op != "call_function" or original is None or name not in self.narrowed:
            return super().run_node(n)
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        narrow = self.narrowed[name]
        return narrow(n.target, self._indices(original.args[0]), *args, **kwargs)

    def _indices(self, node: Any) -> list[Tensor | None]:
        """For each dimension the indices that stay, `None` where all do."""
        found: list[Tensor | None] = []
        for axis in self.widths.axes(node):
            stay = [i for i, label in enumerate(axis or ()) if self._stays(label)]
            whole = axis is None or len(stay) == len(axis)
            found.append(None if whole else torch.tensor(stay))
        return found

    def _stays(self, label: Any) -> bool:
        return all(
            unit in self.kept[group]
            for group, unit in self.widths.units(label)
            if group in self.kept
        )

    def _layer_norm(
        self, target: Any, stay: list[Tensor | None], x: Tensor, shape: Any, *rest: Any
    ) -> Tensor:
        if stay[-1] is None:
            return target(x, shape, *rest)
        weight, bias, *others = (*rest, None, None)[:2] + rest[2:]
        affine = [None if t is None else t[stay[-1]] for t in (weight, bias)]
        narrow = target(x[..., stay[-1]], [len(stay[-1])], *affine, *others)
        return torch.zeros_like(x).index_copy_(-1, stay[-1], narrow)

    def _group_norm(
        self, target: Any, stay: list[Tensor | None], x: Tensor, groups: int, *rest: Any
    ) -> Tensor:
        if stay[1] is None:
            return target(x, groups, *rest)
        size = x.shape[1] // groups
        left = len(set((stay[1] // size).tolist()))
        affine = [None if t is None else t[stay[1]] for t in rest[:2]]
        narrow = target(x[:, stay[1]], left, *affine, *rest[2:])
        return torch.zeros_like(x).index_copy_(1, stay[1], narrow)

    def _mean(
        self,
        target: Any,
        stay: list[Tensor | None],
        x: Tensor,
        *rest: Any,
        **options: Any,
    ) -> Tensor:
        dims = rest[0] if rest and rest[0] is not None else range(x.dim())
        for dim in [dims] if isinstance(dims, int) else dims:
            index = stay[dim]
            if index is not None:
                x = x.index_select(dim, index)
        return target(x, *rest, **options)
