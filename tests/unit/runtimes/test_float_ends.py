"""Operators that no layer with weights comes after."""

from __future__ import annotations

import pytest

from edgekit.runtimes.float_ends import (
    Operator,
    ahead_of_logarithm,
    apart,
    behind_layers,
    in_float,
)
from edgekit.types import QuantConfig


def operator(
    name: str, *takes: str, kind: str = "", weighted: bool = False
) -> Operator:
    return Operator(name=name, kind=kind, weighted=weighted, takes=takes, gives=(name,))


def test_a_branch_that_ends_in_a_layer_is_not_behind_it() -> None:
    graph = [
        operator("conv", "x", weighted=True),
        operator("relu", "conv"),
        operator("boxes", "relu", weighted=True),
        operator("exp", "boxes"),
        operator("turned", "relu"),
        operator("scores", "turned", weighted=True),
        operator("joined", "exp", "scores"),
    ]
    assert behind_layers(graph) == ("exp", "joined")
    assert behind_layers([operator("relu", "x")]) == ("relu",)


def test_units_are_apart_where_one_scale_leaves_few_steps() -> None:
    assert apart([320.0, 1.0]) and apart([1.0, 0.05])
    assert not apart([4.0, 1.0]) and not apart([3.0]) and not apart([3.0, 0.0])


FRONT_END = [
    operator("basis", "samples", weighted=True),
    operator("speech", "text"),
    operator("power", "basis"),
    operator("level", "power", kind="Log"),
    operator("conv", "level", weighted=True),
    operator("likelihood", "conv", kind="Log"),
]


def test_what_leads_to_the_first_logarithm_is_ahead_of_it() -> None:
    assert ahead_of_logarithm(FRONT_END) == ("basis", "power", "level")
    assert ahead_of_logarithm(FRONT_END[:3]) == ()


@pytest.mark.parametrize("kind", ["Log", "LOG", "log", "log.default"])
def test_a_logarithm_is_one_in_every_format(kind: str) -> None:
    graph = [operator("level", "x", kind=kind), operator("soft", kind="LogSoftmax")]
    assert ahead_of_logarithm(graph) == ("level",)


def test_a_configuration_leaves_both_ends_in_float_once() -> None:
    graph = [operator("level", "x", kind="Log"), operator("scaled", "level")]
    assert in_float(graph, QuantConfig()) == ()
    both = QuantConfig(float_front=True, float_tail=True)
    assert in_float(graph, both) == ("level", "scaled")
