"""Extents of dimensions."""

from __future__ import annotations

from edgekit.graph.graph import Extent, analyze
from tests.unit.graph.networks import CASES


def test_extents_are_polynomials_in_the_widths() -> None:
    graph = analyze(CASES["multihead"].program())
    nodes = {n.name: n for n in graph.program.module.graph.nodes}
    batch, length, width = graph.extents(nodes["linear_1"])
    assert batch.terms == ((5, ()),) and length.terms == ((1, ()),)
    head, dim = "attention.head", "attention.head_dim"
    assert width.terms == ((3, (head, dim)),)
    assert width.at({}) == 48
    assert width.at({head: 3, dim: 2}) == 3 * 3 * 2
    assert graph.shape(nodes["linear_1"], {head: 1}) == (5, 1, 12)


def test_an_extent_has_full_widths() -> None:
    extent = Extent(terms=((2, ("a", "b")), (7, ())), full={"a": 3, "b": 5})
    assert extent.at({}) == 37 and extent.at({"a": 1}) == 17
