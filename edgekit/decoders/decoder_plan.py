"""The cut of a decoder that keeps a budget and loses least on the user's text.

For every depth, the widest MLP that keeps the budget is a candidate. The perplexity of a few of
them, from the deepest to the widest, is measured untrained, and the best is taken.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from edgekit import scratch
from edgekit.decoders import folder_cut, streaming
from edgekit.decoders.block_costs import CostPlane, Costs, GenerationBudget
from edgekit.decoders.block_importance import Importance
from edgekit.decoders.decoder import Decoder
from edgekit.decoders.decoder_cut import DecoderCut, Sizes, choose, sizes_of, width_step
from edgekit.errors import BudgetInfeasible
from edgekit.progress import Progress, Silent

_TRIED = 4


@dataclass(frozen=True, kw_only=True)
class DecoderPlan:
    """The chosen cut."""

    cut: DecoderCut
    expected: Costs
    tried: tuple[tuple[Sizes, float], ...]
    """Sizes and their untrained perplexity."""


def plan(
    decoder: Decoder,
    importance: Importance,
    costs: CostPlane,
    budget: GenerationBudget,
    rows: Tensor,
    progress: Progress | None = None,
) -> DecoderPlan:
    """Choose a cut for a budget; `rows` of tokens (rows, length) measure what is lost.

    Raises `BudgetInfeasible` where no sizes keep the budget.
    """
    candidates = spread(feasible(decoder, costs, budget), _TRIED)
    tried: dict[Sizes, float] = {}
    with (progress or Silent()).step("Trying cuts") as step, scratch.folder() as work:
        for number, sizes in enumerate(candidates):
            step.update(number, len(candidates))
            cut = choose(decoder, importance, sizes)
            small = folder_cut.cut(decoder, cut, work / str(number))
            tried[sizes] = streaming.perplexity(small, rows)
    best = min(tried, key=lambda sizes: tried[sizes])
    return DecoderPlan(
        cut=choose(decoder, importance, best),
        expected=costs.predict(best),
        tried=tuple(tried.items()),
    )


def feasible(
    decoder: Decoder, costs: CostPlane, budget: GenerationBudget
) -> list[Sizes]:
    """For every depth, from the deepest, the widest MLP that keeps the budget, where one does."""
    whole = sizes_of(decoder)
    widths = range(decoder.mlp_width, 0, -width_step(decoder))
    found: list[Sizes] = []
    for blocks in range(decoder.blocks, 0, -1):
        sizes = (replace(whole, blocks=blocks, mlp_width=width) for width in widths)
        widest = next((s for s in sizes if budget.keeps(costs.predict(s))), None)
        if widest is not None and all(widest.mlp_width > s.mlp_width for s in found):
            found.append(widest)
    if not found:
        least = costs.predict(replace(whole, blocks=1, mlp_width=widths[-1]))
        raise BudgetInfeasible(
            f"No depth and width of {decoder.folder} keeps the budget. The smallest is expected at "
            f"{1000 / least.token_ms:.4g} tokens a second, {least.ttft_ms:.4g} ms to the first "
            f"token, {least.memory_mb:.4g} MB of memory and {least.size_mb:.4g} MB of files."
        )
    return found


def spread(candidates: Sequence[Sizes], count: int) -> list[Sizes]:
    """At most `count` of them, evenly, the first and the last among them."""
    last = len(candidates) - 1
    places = {math.floor(i * last / max(1, count - 1) + 0.5) for i in range(count)}
    return [candidates[place] for place in sorted(places)]
