"""What whole networks measured say about tables of single operators.

A network takes a share of its time that no operator accounts for (being called, moving data
between operators), and its operators may cost more or less together than alone. Both are fitted to
the networks measured so far, the unpruned one always among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Correction:
    """Time as a share of the unpruned network's: `overhead + (1 - overhead) * operator time`.

    Operator time is a share of the unpruned network's too.
    """

    overhead: float = 0.0

    def speedup(self, operators: float) -> float:
        """The network's speed-up where its operators take this share of the time."""
        return 1 / max(1e-9, self.overhead + (1 - self.overhead) * operators)

    def operators(self, speedup: float) -> float | None:
        """The share that operators may take for a speed-up; `None` where none is small enough."""
        share = (1 / speedup - self.overhead) / (1 - self.overhead)
        return share if share > 0 else None


def fitted(measured: Sequence[tuple[float, float]]) -> Correction:
    """From (operators' share of time by the table, measured speed-up) of each network.

    By least squares through the unpruned network, (1, 1). A network that is no faster than the
    unpruned one says that all is overhead, which leaves nothing to plan with: bounded at 0.95.
    """
    if not measured:
        return Correction()
    saved = np.array([1 - share for share, _ in measured])
    found = np.array([1 - 1 / speedup for _, speedup in measured])
    slope = float(saved @ found / max(1e-12, float(saved @ saved)))
    return Correction(overhead=min(0.95, 1 - slope))
