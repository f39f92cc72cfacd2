"""Operators that no layer with weights comes after."""

from __future__ import annotations

from edgekit.runtimes.float_tail import Operator, apart, behind_layers


def operator(name: str, *takes: str, weighted: bool = False) -> Operator:
    return Operator(name=name, weighted=weighted, takes=takes, gives=(name,))


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
