"""Widths offered are those where cost drops."""

from __future__ import annotations

import math

import torch
from torch import nn

from edgekit.cost.width_candidates import Scan, scanned, width_candidates
from edgekit.graph.graph import analyze
from edgekit.program.program import trace
from edgekit.types import InputSpec
from edgekit.types.operator_shape import OperatorShape


def scan(*widths: int) -> Scan:
    setting = {
        width: (OperatorShape(kind="linear", inputs=1, outputs=width),)
        for width in widths
    }
    return Scan(group="g", settings=(setting,))


def test_only_the_edges_of_a_staircase_are_offered() -> None:
    found = width_candidates(
        scan(*range(1, 33)), lambda o: 8 * math.ceil(o.outputs / 8), 0.02
    )
    assert found == (1, 8, 16, 24, 32)


def test_a_width_that_costs_more_than_a_wider_one_is_not_offered() -> None:
    """Counted for a Cortex-A72: six channels cost more than eight."""
    counted = {4: 668.0, 6: 967.0, 8: 543.0, 12: 1005.0, 16: 1004.0}
    found = width_candidates(scan(*counted), lambda o: counted[o.outputs], 0.01)
    assert found == (4, 8, 16), "four stays for budgets other than time"


def test_noise_is_not_a_step() -> None:
    costs = {8: 97.0, 16: 98.5, 24: 99.0, 32: 100.0}
    assert width_candidates(scan(*costs), lambda o: costs[o.outputs], 0.05) == (8, 32)


def test_a_scan_looks_at_a_group_with_the_others_whole_and_at_half() -> None:
    network = nn.Sequential(
        *(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 8, 3), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(8 * 16, 4)),
    )
    graph = analyze(trace(network, (InputSpec(shape=(3, 8, 8)),)))
    torch.manual_seed(0)
    first, second = scanned(graph, 0.25)
    whole, half = first.settings
    assert set(whole) == set(range(4, 17))
    assert {o.outputs for o in whole[8]} == {8}
    assert {o.outputs for o in half[8]} == {8, 4}
    assert {o.inputs for o in second.settings[1][8]} >= {8}
