"""A network of several inputs and outputs on each runtime."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch

from edgekit.program.program import Program
from edgekit.types import RuntimeName
from tests.runtime.export.apart import make, relative_error


def keeps_several(
    program: Program, apart: ProcessPoolExecutor, place: Path, runtime: RuntimeName
) -> None:
    """Inputs and outputs of a network whose order is not that of their names stay as they are."""
    program.save(place / "student.pt2")
    generator = np.random.default_rng(0)
    z, a = (generator.normal(size=(3, n)).astype(np.float32) for n in (5, 4))
    made = apart.submit(make, runtime, place, program.inputs, z, a).result()
    artifact = made.artifacts["fp32"]
    assert [(spec.name, spec.shape) for spec in artifact.inputs] == [
        ("z", (1, 5)),
        ("a", (1, 4)),
    ]
    assert [(spec.name, spec.shape) for spec in artifact.outputs] == [
        (f"o{i}", (1, i + 1)) for i in range(12)
    ]
    with torch.no_grad():
        expected = program.module(torch.from_numpy(z), torch.from_numpy(a))
    for got, want in zip(made.outputs["fp32"], expected.values(), strict=True):
        assert relative_error(got, want.numpy()) < 1e-4
