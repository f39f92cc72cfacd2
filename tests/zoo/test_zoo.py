"""Every architecture of the zoo: groups are found, cuts are exact, the pruned network
trains."""

from __future__ import annotations

import importlib.util
import random
from functools import cached_property

import pytest

from edgekit.graph.graph import Group, WidthGraph, analyze
from edgekit.graph.surgery import shrink
from edgekit.program.program import Program, trace
from edgekit.types import Plan
from tests.zoo.entry import Entry
from tests.zoo.exactness import (
    macs,
    outputs,
    random_plan,
    relative_error,
    train_one_step,
)
from tests.zoo.models import ZOO
from tests.zoo.silenced import silenced

TOLERANCE = 1e-5
FRACTION = 0.35

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


class Subject:
    """A network with its graph, and a cut of every group that the tests share."""

    def __init__(self, name: str) -> None:
        self.entry: Entry = ZOO[name]
        self.network = self.entry.network()
        self.graph: WidthGraph = analyze(
            trace(self.network, self.entry.inputs, self.entry.dtypes)
        )

    @cached_property
    def plan(self) -> Plan:
        return random_plan(self.graph.groups, FRACTION)

    @cached_property
    def cut(self) -> Program:
        return shrink(self.graph, self.plan)

    @property
    def exact(self) -> list[Group]:
        return [group for group in self.graph.groups if group.exact]

    def difference(self, plan: Plan, cut: Program) -> float:
        """Distance of a cut from the author's module with the same units silent.

        Where a norm runs over units that leave, norms count those that stay.
        """
        sample = self.entry.sample()
        groups = [group for group in self.graph.groups if group.id in plan.kept]
        expected = silenced(
            self.network,
            self.graph,
            plan,
            sample,
            over_kept=not all(group.exact for group in groups),
        )
        whole = outputs(self.graph.program, sample)
        assert relative_error(expected, whole) > 1e-4, "silence changes nothing"
        return relative_error(outputs(cut, sample), expected)


@pytest.fixture(scope="module", params=NETWORKS)
def subject(request: pytest.FixtureRequest) -> Subject:
    return Subject(request.param)


def test_every_group_cut_at_once_equals_silence(subject: Subject) -> None:
    assert subject.exact
    assert subject.difference(subject.plan, subject.cut) < TOLERANCE


def test_every_group_has_weights(subject: Subject) -> None:
    """The unused end of a table, for example of positions, cannot be pruned."""
    state = subject.graph.program.module.state_dict(keep_vars=True)
    for group in subject.graph.groups:
        names = {slot.parameter for slot in group.slots}
        assert any(state[name].is_floating_point() for name in names & state.keys())


def test_exact_groups_equal_silence_with_norms_as_they_are(subject: Subject) -> None:
    if len(subject.exact) == len(subject.graph.groups):
        pytest.skip("all groups are exact: cut at once above")
    plan = random_plan(subject.exact, FRACTION, seed=1)
    assert subject.difference(plan, shrink(subject.graph, plan)) < TOLERANCE


def test_a_group_cut_alone_equals_silence(subject: Subject) -> None:
    """One group here; `benchmarks/coverage.py` takes more."""
    group = random.Random(2).choice(subject.graph.groups)
    plan = random_plan([group], 0.5, seed=3)
    error = subject.difference(plan, shrink(subject.graph, plan))
    assert error < TOLERANCE, group.id


def test_a_third_of_the_operations_can_go_and_the_rest_trains(subject: Subject) -> None:
    sample = subject.entry.sample(batch=4)
    assert macs(subject.cut, sample) < 0.7 * macs(subject.graph.program, sample)
    trained = subject.cut.copy()
    assert train_one_step(trained, sample)


def test_the_zoo_has_every_kind_of_unit() -> None:
    names = ("two_inputs", "grouped_norm", "gqa_encoder", "lstm")
    kinds = {group.kind for name in names for group in Subject(name).graph.groups}
    assert kinds == {
        "channel",
        "group",
        "head",
        "head_dim",
        "hidden",
        "embedding",
        "recurrent",
    }
