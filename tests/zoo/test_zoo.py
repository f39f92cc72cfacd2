"""Every architecture of the zoo: groups are found, cuts are exact, what is left trains."""

from __future__ import annotations

import functools
import importlib.util
import random

import pytest
from edgekit.prune.graph import WidthGraph, analyse
from edgekit.prune.surgery import mask, shrink
from edgekit.types import Plan
from tests.zoo.exactness import (
    flat,
    macs,
    norms_over_kept,
    outputs,
    random_plan,
    relative_error,
    train_one_step,
)
from tests.zoo.models import ZOO

TOLERANCE = 1e-5
SINGLE_GROUPS = 3
"""How many groups of each network are also cut alone; `benchmarks/coverage.py` cuts more."""

NETWORKS = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            entry.needs is not None and importlib.util.find_spec(entry.needs) is None,
            reason=f"{name} needs {entry.needs}: pip install --no-deps {entry.needs}",
        ),
    )
    for name, entry in ZOO.items()
]


@functools.lru_cache(maxsize=1)
def analysed(name: str) -> WidthGraph:
    """The tests of one network run one after the other, and share this."""
    return analyse(ZOO[name].program())


def differ(graph: WidthGraph, plan: Plan, name: str) -> float:
    """How far the cut is from zeroing the same units; norms count what is left."""
    sample = ZOO[name].sample()
    cut = outputs(shrink(graph, plan), sample)
    masked = mask(graph, plan)
    exact = all(group.exact for group in graph.groups if group.id in plan.kept)
    zeroed = (
        outputs(masked, sample)
        if exact
        else norms_over_kept(masked, graph, plan, sample)
    )
    assert relative_error(zeroed, outputs(graph.program, sample)) > 1e-4, "nothing cut"
    return relative_error(cut, zeroed)


@pytest.mark.parametrize("name", NETWORKS)
def test_exact_groups_cut_together_equal_zeroing(name: str) -> None:
    graph = analysed(name)
    exact = [group for group in graph.groups if group.exact]
    assert exact
    assert differ(graph, random_plan(exact, 0.3), name) < TOLERANCE


@pytest.mark.parametrize("name", NETWORKS)
def test_all_groups_cut_together_equal_zeroing_with_narrower_norms(name: str) -> None:
    graph = analysed(name)
    if all(group.exact for group in graph.groups):
        pytest.skip("no norm runs over a dimension that can shrink")
    assert differ(graph, random_plan(graph.groups, 0.3, seed=1), name) < TOLERANCE


@pytest.mark.parametrize("name", NETWORKS)
def test_single_groups_cut_alone_equal_zeroing(name: str) -> None:
    graph = analysed(name)
    some = random.Random(2).sample(graph.groups, min(SINGLE_GROUPS, len(graph.groups)))
    for group in some:
        plan = random_plan([group], 0.5, seed=3)
        assert differ(graph, plan, name) < TOLERANCE, group.id


@pytest.mark.parametrize("name", NETWORKS)
def test_a_third_of_the_operations_can_go_and_the_rest_trains(name: str) -> None:
    graph = analysed(name)
    cut = shrink(graph, random_plan(graph.groups, 0.35, seed=4))
    sample = ZOO[name].sample(batch=4)
    assert macs(cut, sample) < 0.7 * macs(graph.program, sample)
    assert train_one_step(cut, sample)


def test_the_zoo_has_every_kind_of_unit() -> None:
    names = ("resnet20", "grouped_norm", "gqa_encoder", "lstm")
    kinds = {group.kind for name in names for group in analysed(name).groups}
    assert kinds == {
        "channel",
        "group",
        "head",
        "head_dim",
        "hidden",
        "embedding",
        "recurrent",
    }
