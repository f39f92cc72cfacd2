from __future__ import annotations

from dataclasses import astuple

import pytest

from edgekit.decoders import block_costs
from edgekit.decoders.block_costs import Costs, GenerationBudget
from edgekit.decoders.decoder_cut import Sizes


def sizes(blocks: int, width: int) -> Sizes:
    return Sizes(blocks=blocks, mlp_width=width, groups=2)


def costs(blocks: int, width: int) -> Costs:
    """Costs on a plane."""
    return Costs(
        token_ms=1 + blocks * (0.5 + width / 1000),
        ttft_ms=10 + blocks * (2 + width / 100),
        memory_mb=100 + blocks * 3,
        size_mb=5 + blocks * width / 50,
    )


def test_costs_of_other_sizes_lie_on_the_plane_through_three() -> None:
    points = [(8, 512), (4, 512), (8, 256)]
    plane = block_costs.fit(tuple((sizes(*p), costs(*p)) for p in points))
    for blocks, width in (*points, (6, 384), (1, 128)):
        found = plane.predict(sizes(blocks, width))
        assert astuple(found) == pytest.approx(astuple(costs(blocks, width)))


def test_every_limit_counts() -> None:
    found = Costs(token_ms=20, ttft_ms=100, memory_mb=200, size_mb=50)
    assert GenerationBudget().keeps(found)
    assert GenerationBudget(tokens_per_s=50, ttft_ms=100).keeps(found)
    assert not GenerationBudget(tokens_per_s=51).keeps(found)
    assert not GenerationBudget(ttft_ms=99).keeps(found)
    assert not GenerationBudget(memory_mb=199).keeps(found)
    assert not GenerationBudget(size_mb=49).keeps(found)
    unknown = Costs(token_ms=20, ttft_ms=100, memory_mb=float("nan"), size_mb=50)
    assert not GenerationBudget(memory_mb=1e9).keeps(unknown)
