from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edgekit.decoders import block_costs, block_importance, decoder, decoder_plan
from edgekit.decoders.block_costs import CostPlane, GenerationBudget
from edgekit.decoders.decoder_cut import Sizes
from edgekit.errors import BudgetInfeasible
from tests.unit.decoders import folders
from tests.unit.decoders.test_block_costs import costs, sizes

Written = Callable[[str], Path]


@pytest.fixture
def opened(tmp_path: Path) -> decoder.Decoder:
    folders.write(tmp_path / "decoder", intermediate_size=512)
    return decoder.read(tmp_path / "decoder")


@pytest.fixture
def plane() -> CostPlane:
    points = [(4, 512), (2, 512), (4, 256)]
    return block_costs.fit(tuple((sizes(*p), costs(*p)) for p in points))


def test_every_depth_has_the_widest_mlp_that_fits(
    opened: decoder.Decoder, plane: CostPlane
) -> None:
    # Four blocks of 512 take 5.05 ms a token.
    budget = GenerationBudget(tokens_per_s=1000 / 4.1)
    found = decoder_plan.feasible(opened, plane, budget)
    assert found == [sizes(4, 256), sizes(3, 512)]
    assert decoder_plan.feasible(opened, plane, GenerationBudget()) == [sizes(4, 512)]


def test_a_budget_that_nothing_keeps_is_refused_with_the_smallest(
    opened: decoder.Decoder, plane: CostPlane
) -> None:
    with pytest.raises(BudgetInfeasible, match=r"smallest is expected at 614\."):
        decoder_plan.feasible(opened, plane, GenerationBudget(tokens_per_s=5000))


def test_the_cut_of_the_lowest_perplexity_is_chosen(
    opened: decoder.Decoder, plane: CostPlane
) -> None:
    rows = folders.tokens(rows=4)
    importance = block_importance.measure(opened, rows)
    budget = GenerationBudget(tokens_per_s=1000 / 4.1)
    found = decoder_plan.plan(opened, importance, plane, budget, rows)
    tried = dict(found.tried)
    assert set(tried) == {sizes(4, 256), sizes(3, 512)}
    assert tried[found.cut.sizes] == min(tried.values())
    assert budget.keeps(found.expected)


def test_candidates_are_spread_from_the_first_to_the_last() -> None:
    many = [Sizes(blocks=b, mlp_width=1, groups=1) for b in range(10)]
    assert decoder_plan.spread(many, 4) == [many[0], many[3], many[6], many[9]]
    assert decoder_plan.spread(many[:2], 4) == many[:2]
    assert decoder_plan.spread(many[:1], 4) == many[:1]
