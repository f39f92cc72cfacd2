"""A network of sums, and a file whose numbers are given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import special
from torch import nn

from edgekit.program import parity
from edgekit.program.program import Program, trace
from edgekit.types import InputSpec


class Net(nn.Module):
    """A line, and a softmax of it so steep that it is saturated."""

    def __init__(self, shift: float = 0.0, steep: float = 100.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.arange(12.0).reshape(3, 4) - 6)
        self.shift, self.steep = shift, steep

    def forward(self, x: torch.Tensor) -> Any:
        line = nn.functional.linear(x, self.weight)
        line = line + self.shift * line.new_tensor([0.0, 1.0, 0.0])
        return line, torch.softmax(line * self.steep, -1)


def program(module: nn.Module) -> Program:
    return trace(module, (InputSpec(shape=(4,)),))


Rows = Callable[[np.ndarray], list[np.ndarray | None]]


@dataclass(frozen=True)
class Sums:
    """A file that gives `rows` of an input, and has the tensors `inside`."""

    rows: Rows
    inside: Sequence[parity.Inner] = ()
    against: str = "sums"

    def run(self, given: Sequence[parity.Inputs], ends: Sequence[bool]) -> parity.Ran:
        return parity.Ran(rows=[self.rows(x.numpy()) for (x,) in given])

    def inner(self, given: parity.Inputs) -> Sequence[parity.Inner]:
        return self.inside


def exact(x: np.ndarray) -> list[np.ndarray | None]:
    """Line, softmax, and what the softmax takes, by sums in double precision."""
    line = x.astype(np.float64) @ (np.arange(12.0).reshape(3, 4) - 6).T
    return [line, special.softmax(line * 100, -1), line * 100]


def checked(module: nn.Module, rows: Rows = exact, **more: Any) -> parity.Parity:
    return parity.check(program(module), Sums(rows, **more), source="net")


def inner(name: str, ours: Any, theirs: Any) -> parity.Inner:
    arrays = [np.asarray(each, np.float32) for each in (ours, theirs)]
    return parity.Inner(name=name, operator="Add", ours=arrays[0], theirs=arrays[1])
