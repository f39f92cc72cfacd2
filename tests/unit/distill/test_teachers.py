"""Several teachers: their outputs are averaged, by weight where there are any."""

from __future__ import annotations

import torch
from torch import nn

from edgekit.distill.features import FeatureExtractor
from edgekit.distill.processes import Processes
from edgekit.distill.teacher import Teacher
from edgekit.program.program import trace
from edgekit.types import InputSpec


def test_outputs_are_averaged_by_weight() -> None:
    torch.manual_seed(0)
    programs = [trace(nn.Linear(4, 3), (InputSpec(shape=(4,)),)) for _ in range(2)]
    seen = [FeatureExtractor(program.module) for program in programs]
    x = torch.randn(5, 4)
    one, other = (program.module(x) for program in programs)
    even = Teacher(seen, Processes()).compute(x).output
    torch.testing.assert_close(even, (one + other) / 2)
    uneven = Teacher(seen, Processes(), (1.0, 3.0)).compute(x).output
    torch.testing.assert_close(uneven, 0.25 * one + 0.75 * other)
