"""Importance, sensitivity and reconstruction on each device that this machine has: those of the
CPU, within rounding."""

from __future__ import annotations

import numpy as np
import torch

from edgekit.graph.graph import analyze
from edgekit.program.placement import CPU, best_device, room
from edgekit.program.program import trace
from edgekit.prune.importance import importance
from edgekit.prune.objective import keep_best
from edgekit.prune.reconstruct import reconstruct
from edgekit.prune.sensitivity import sensitivity
from tests.unit.prune.test_devices import IMAGE, Net, samples

NEAR = 2e-2
"""Tolerance of scores, damages and outputs, relative: convolutions in TF32, sums in another
order."""


def test_a_cut_is_that_of_the_cpu(device: str) -> None:
    assert best_device().type == device
    assert room(1 << 20, best_device()) == 1 << 20
    torch.manual_seed(0)
    graph = analyze(trace(Net(), (IMAGE,)))
    batches = [(inputs, None) for inputs in samples()]
    for criterion in ("taylor", "fisher", "activation", "reconstruction"):
        found = importance(graph, criterion, batches=batches)
        expected = importance(graph, criterion, batches=batches, device=CPU)
        for name, scores in found.items():
            np.testing.assert_allclose(scores, expected[name], rtol=5 * NEAR, atol=NEAR)
    probed = sensitivity(graph, expected, samples(), blocks=graph.blocks)
    known = sensitivity(graph, expected, samples(), blocks=graph.blocks, device=CPU)
    for name, pairs in probed.groups.items():
        np.testing.assert_allclose(pairs, known.groups[name], rtol=5 * NEAR)
    widths = {group.id: max(2, group.units - 3) for group in graph.groups}
    plan = keep_best(graph.groups, widths, expected)
    given = torch.cat([inputs[0] for inputs in samples()])
    ours, theirs = (
        reconstruct(graph, plan, (given,), device=each).module(given)
        for each in (None, CPU)
    )
    assert ours.device.type == "cpu"
    assert (ours - theirs).norm() < NEAR * theirs.norm()
