"""Check that a network that was read computes the file's function: on every load, in numbers.

A program is run at two batch sizes, and its outputs are held against a reference's, relative to
the range of the reference's. A softmax or sigmoid at the end is taken off first: where it is
saturated, any two networks agree. So is an argmax, in which scores that are nearly equal are not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from edgekit.errors import ModelError
from edgekit.program.program import Program, duplicate

BATCHES = (1, 3)
TOLERANCE = 1e-4
"""Largest difference, relative to the range of an output."""
_FLAT = 1e-6
"""A range below this part of an output's largest value is rounding, and inconclusive."""
_SQUASHING = ("softmax", "sigmoid", "log_softmax", "_softmax", "_log_softmax", "argmax")
_CASTS = ("to", "_to_copy")

Arrays = Sequence[np.ndarray]
Reference = Callable[[Arrays, Sequence[bool]], Arrays]
"""Outputs in the program's order and layout, of inputs in its order and layout; flags select
outputs before a last softmax, sigmoid or argmax."""


@dataclass(frozen=True, kw_only=True)
class Parity:
    """`largest` is the largest difference, relative to an output's range, at all `batches`."""

    largest: float
    outputs: int
    batches: tuple[int, ...]
    against: str

    def line(self) -> str:
        """The finding in a sentence."""
        multiple = (
            f"{self.outputs} outputs differ" if self.outputs > 1 else "output differs"
        )
        sizes = " and ".join(map(str, self.batches))
        return (
            f"Checked against {self.against} at batch {sizes}: the {multiple} by at most "
            f"{self.largest:.1e} of their range."
        )


def check(
    program: Program, reference: Reference, *, source: str, against: str
) -> Parity:
    """Compare the program of the file `source` with `reference`, which `against` names.

    Raises `ModelError` where they differ by more than `TOLERANCE`, where shapes differ, or
    where outputs are not finite. Outputs that do not change prove nothing, which is reported.
    """
    bare, squashed = unsaturated(program.module)
    largest, flat = 0.0, 0
    for batch in BATCHES:
        inputs = samples(program, batch)
        with torch.no_grad():
            found = [t.numpy() for t in _leaves(bare(*inputs))]
        expected = reference([each.numpy() for each in inputs], squashed)
        for number, (ours, theirs) in enumerate(_pairs(found, expected, source)):
            error = difference(ours, theirs)
            if error is None:
                flat += 1
            elif not error <= TOLERANCE:
                raise ModelError(
                    f"{source}: output {number + 1} differs from {against} by {error:.1e} of its "
                    f"range at batch {batch}; at most {TOLERANCE:g} is allowed. The network was "
                    "not read rightly, and is refused."
                )
            largest = max(largest, error or 0.0)
    if flat == len(BATCHES) * len(squashed):
        raise ModelError(
            f"{source}: no output changes with the input, so that nothing can be proved. "
            "Check that the file holds trained weights."
        )
    return Parity(
        largest=largest, outputs=len(squashed), batches=BATCHES, against=against
    )


def difference(ours: np.ndarray, theirs: np.ndarray) -> float | None:
    """The largest difference relative to the range of `theirs`; `None` where that is flat.

    Differences in an output that does not change are relative to its largest value.
    """
    ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    if not theirs.size:
        return None
    finite = np.isfinite(theirs)
    if not np.array_equal(ours[~finite], theirs[~finite], equal_nan=True):
        return float("inf")
    if not np.isfinite(ours[finite]).all():
        return float("inf")
    if not finite.any():
        return None
    apart = float(np.abs(ours[finite] - theirs[finite]).max())
    reach, most = float(np.ptp(theirs[finite])), float(np.abs(theirs[finite]).max())
    if reach <= _FLAT * most or reach == 0:
        return None if apart <= TOLERANCE * most else float("inf")
    return apart / reach


def samples(program: Program, batch: int) -> tuple[Tensor, ...]:
    """Seeded inputs, each (batch, *shape): normal numbers, or small whole ones."""
    generator = torch.Generator().manual_seed(batch)
    return tuple(
        torch.randn(batch, *spec.shape, generator=generator, dtype=dtype)
        if dtype.is_floating_point
        else torch.randint(0, 2, (batch, *spec.shape), generator=generator, dtype=dtype)
        for spec, dtype in zip(program.inputs, program.dtypes, strict=True)
    )


def unsaturated(module: fx.GraphModule) -> tuple[fx.GraphModule, tuple[bool, ...]]:
    """A copy that returns outputs as they are before a last softmax or sigmoid; and for which."""
    copied = duplicate(module)
    [end] = copied.graph.find_nodes(op="output")
    flags: list[bool] = []

    def bare(node: fx.Node) -> fx.Node:
        before = _before(node)
        flags.append(before is not None)
        return node if before is None else before

    end.args = fx.map_arg(end.args, bare)
    copied.graph.eliminate_dead_code()
    copied.recompile()
    return copied, tuple(flags)


def _before(node: fx.Node) -> fx.Node | None:
    """The input of a last softmax, sigmoid or argmax, if nothing else makes the output."""
    if node.op == "call_function" and _name(node) in _CASTS:
        [inner] = node.all_input_nodes
        return _before(inner) if _name(inner) == "argmax" else None
    if node.op == "call_function" and _name(node) in _SQUASHING:
        taken = node.args[0]
        return taken if isinstance(taken, fx.Node) else None
    return None


def _name(node: fx.Node) -> str:
    packet = getattr(node.target, "overloadpacket", node.target)
    return str(getattr(packet, "__name__", packet)).rpartition(".")[2]


def _leaves(found: Any) -> list[Tensor]:
    leaves = torch.utils._pytree.tree_leaves(found)
    return [each.detach() for each in leaves if isinstance(each, Tensor)]


def _pairs(
    found: Arrays, expected: Arrays, source: str
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Each output beside the reference's; `ModelError` where number or shapes differ."""
    ours = [each.shape for each in found]
    theirs = [np.shape(each) for each in expected]
    if ours != theirs:
        raise ModelError(
            f"{source}: the network gives outputs of shapes {ours}, its file {theirs}. "
            "It was not read rightly, and is refused."
        )
    return list(zip(found, expected, strict=True))
