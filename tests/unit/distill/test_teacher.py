"""The teacher's outputs: averaged, and as rows that are stored."""

from __future__ import annotations

import torch
from torch import nn

from edgekit.distill.features import FeatureExtractor, ModelOutputs
from edgekit.distill.processes import Processes
from edgekit.distill.teacher import Teacher, packed, shapes_of, unpacked
from edgekit.program.program import trace
from edgekit.types import InputSpec


def test_outputs_are_averaged_by_weight() -> None:
    torch.manual_seed(0)
    programs = [trace(nn.Linear(4, 3), (InputSpec(shape=(4,)),)) for _ in range(2)]
    seen = [FeatureExtractor(program.module) for program in programs]
    x = torch.randn(5, 4)
    one, other = (program.module(x) for program in programs)
    even = Teacher(seen, Processes()).compute((x,)).output
    torch.testing.assert_close(even, (one + other) / 2)
    uneven = Teacher(seen, Processes(), (1.0, 3.0)).compute((x,)).output
    torch.testing.assert_close(uneven, 0.25 * one + 0.75 * other)


def test_several_outputs_are_kept_as_one_row_and_come_back_whole() -> None:
    answer = ModelOutputs(
        output=torch.randn(3, 5), others=(torch.randn(3, 2, 4), torch.randn(3))
    )
    rows = packed(answer)
    assert rows.shape == (3, 5 + 8 + 1)
    again = unpacked(rows, shapes_of(answer))
    assert torch.equal(again.output, answer.output)
    for ours, theirs in zip(again.others, answer.others, strict=True):
        assert torch.equal(ours, theirs)
    alone = ModelOutputs(output=torch.randn(3, 2, 4))
    assert packed(alone) is alone.output
    assert unpacked(alone.output, shapes_of(alone)).output is alone.output
