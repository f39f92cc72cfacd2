from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edgekit.errors import BudgetInfeasible, UsageError
from edgekit.graph.graph import WidthGraph, analyze
from edgekit.program.program import Program, trace
from edgekit.prune.importance import importance
from edgekit.prune.schedule import evenly, iterate, operations, schedule
from edgekit.types import InputSpec, Plan, Schedule
from tests.unit.graph.networks import resnet
from tests.zoo.models import ZOO

KINDS: tuple[Schedule, ...] = ("linear", "cubic", "by-cost")


def l2(graph: WidthGraph) -> dict[str, np.ndarray]:
    return importance(graph, "l2")


def residual() -> Program:
    torch.manual_seed(0)
    return trace(resnet(), (InputSpec(shape=(3, 8, 8)),))


def test_linear_removes_the_same_each_round() -> None:
    assert schedule("linear", 4, 0.2) == pytest.approx((0.8, 0.6, 0.4, 0.2))


def test_cubic_follows_zhu_and_gupta() -> None:
    sparsity = [0.8 + (0 - 0.8) * (1 - t / 4) ** 3 for t in range(1, 5)]
    assert schedule("cubic", 4, 0.2) == pytest.approx([1 - s for s in sparsity])


def test_by_cost_makes_each_round_the_same_factor_cheaper() -> None:
    assert schedule("by-cost", 3, 0.125) == pytest.approx((0.5, 0.25, 0.125))
    assert schedule("by-cost", 3, 8.0) == pytest.approx((2, 4, 8))


@given(
    kind=st.sampled_from(KINDS),
    rounds=st.integers(1, 12),
    final=st.floats(0.01, 50.0),
)
def test_every_schedule_heads_for_its_end(
    kind: Schedule, rounds: int, final: float
) -> None:
    goals = schedule(kind, rounds, final)
    assert len(goals) == rounds
    assert goals[-1] == final
    steps = np.diff((1.0, *goals))
    assert (steps <= 1e-12).all() if final <= 1 else (steps >= -1e-12).all()


def test_a_speed_up_is_the_inverse_of_the_share_that_remains() -> None:
    for kind in KINDS:
        fractions = schedule(kind, 5, 0.25)
        assert schedule(kind, 5, 4.0) == pytest.approx([1 / s for s in fractions])


@pytest.mark.parametrize(
    ("kind", "rounds", "final", "words"),
    [
        ("cubik", 3, 0.5, r"'cubik'\. Did you mean 'cubic'\?"),
        ("linear", 0, 0.5, "0 rounds to 0.5"),
        ("linear", 3, 0.0, "lies above 0"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(
    kind: Schedule, rounds: int, final: float, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        schedule(kind, rounds, final)


def test_evenly_keeps_the_best_units_inside_the_share() -> None:
    graph = analyze(residual())
    scores = l2(graph)
    plan = evenly(graph, scores, 0.5)
    widths = {name: len(units) for name, units in plan.kept.items()}
    assert 0.3 < operations(graph, widths) / operations(graph) <= 0.5
    for name, units in plan.kept.items():
        gone = set(range(len(scores[name]))) - set(units)
        assert min(scores[name][list(units)]) >= max(scores[name][list(gone)])
    assert evenly(graph, scores, 1.0) == Plan(kept={})


def test_widths_are_multiples_where_that_is_requested() -> None:
    graph = analyze(residual())
    plan = evenly(graph, l2(graph), 0.6, multiple=4)
    assert plan.kept
    assert {len(units) % 4 for units in plan.kept.values()} == {0}


def test_a_floor_under_the_widths_can_make_a_share_infeasible() -> None:
    graph = analyze(residual())
    with pytest.raises(BudgetInfeasible, match=r"Keeping 80% of every width leaves 6"):
        evenly(graph, l2(graph), 0.3, min_keep=0.8)


@pytest.mark.parametrize("name", ["grouped_norm", "gqa_encoder", "lstm_bidirectional"])
def test_any_network_shrinks_round_by_round_and_computes(name: str) -> None:
    entry = ZOO[name]
    program = entry.program()
    before = program.fingerprint()
    targets = schedule("linear", 3, 0.4)
    rounds = list(iterate(program, targets, score=l2, recover=Program.copy))
    assert program.fingerprint() == before
    for turn, target in zip(rounds, targets, strict=True):
        assert turn.remaining <= target + 1e-9
        assert turn.remaining == pytest.approx(target, abs=0.15)
    outputs = rounds[-1].program.module(*entry.sample())
    first = outputs if isinstance(outputs, torch.Tensor) else outputs[0]
    assert torch.isfinite(first).all()


def test_units_are_weighed_again_after_each_recovery() -> None:
    """A recovery that makes the weakest unit the strongest saves it from the next cut."""
    revived: list[torch.Tensor] = []

    def recover(program: Program) -> Program:
        result = program.copy()
        graph = analyze(result)
        weakest = int(l2(graph)["0"].argmin())
        with torch.no_grad():
            weight = result.module.get_parameter("0.weight")
            weight[weakest] += 50
            revived.append(weight[weakest].clone())
        return result

    rounds = list(iterate(residual(), (0.7, 0.4), score=l2, recover=recover))
    assert rounds[1].graph.program is rounds[0].program
    kept = rounds[1].cut.module.get_parameter("0.weight")
    assert len(kept) < len(rounds[0].program.module.get_parameter("0.weight"))
    assert any(torch.equal(row, revived[0]) for row in kept)


def test_a_network_without_operations_needs_a_cost_of_its_own() -> None:
    class Bare(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.abs()

    program = trace(Bare(), (InputSpec(shape=(4,)),))
    with pytest.raises(UsageError, match="a cost of your own"):
        list(iterate(program, (0.5,), score=l2, recover=Program.copy))
