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
class Overhead:
    """Time as a share of the unpruned network's: `share + (1 - share) * cost of operators`.

    Cost of operators is a share of the unpruned network's too.
    """

    share: float = 0.0

    def speedup(self, operators: float) -> float:
        """The network's speed-up where its operators take this share of the time."""
        return 1 / max(1e-9, self.share + (1 - self.share) * operators)

    def operators(self, speedup: float) -> float | None:
        """The share that operators may take for a speed-up; `None` where none is small enough."""
        left = (1 / speedup - self.share) / (1 - self.share)
        return left if left > 0 else None


def fitted(measured: Sequence[tuple[float, float]]) -> Overhead:
    """From (operators' share of time by the table, measured speed-up) of each network.

    By least squares through the unpruned network, (1, 1). A network that is no faster than the
    unpruned one says that all is overhead, which leaves nothing to plan with: bounded at 0.95.
    """
    if not measured:
        return Overhead()
    saved = np.array([1 - share for share, _ in measured])
    found = np.array([1 - 1 / speedup for _, speedup in measured])
    slope = float(saved @ found / max(1e-12, float(saved @ saved)))
    return Overhead(share=min(0.95, 1 - slope))
