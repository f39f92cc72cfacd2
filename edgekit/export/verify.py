"""Check that a file opens on its own runtime and gives its network's outputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch.utils import _pytree as pytree

from edgekit.errors import ArtifactError
from edgekit.evaluate.parity import DRAWN_ELEMENTS, TOLERANCES, elements_off
from edgekit.evaluate.run import run_here
from edgekit.program import feeds
from edgekit.program.program import Program
from edgekit.types import Artifact

Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """One seeded sample and what the network gives for it."""

    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    """Empty where the network itself does not give the same twice."""

    @classmethod
    def of(cls, program: Program) -> Self:
        """The program's inputs and outputs on seeded samples."""
        # A copy: a network may count its calls in a buffer.
        example, program = program.example(), program.copy()
        first, again = (_outputs(program, example) for _ in range(2))
        same = all(
            np.array_equal(one, other, equal_nan=True)
            for one, other in zip(first, again, strict=True)
        )
        return cls(
            inputs=tuple(tensor.numpy() for tensor in example),
            outputs=first if same else (),
        )

    def save(self, path: Path) -> None:
        """Write the arrays as `.npz`."""
        outputs = {f"output_{i}": v for i, v in enumerate(self.outputs)}
        feeds.save(path, self.inputs, **outputs)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the arrays of `save`."""
        inputs, outputs = feeds.read(path)
        return cls(inputs=inputs, outputs=tuple(outputs.values()))


def verify(artifact: Artifact, reference: Reference) -> None:
    """Open and run a file once; raises `ArtifactError` where it is refused or is another network.

    What is in integers is only run: its outputs are judged on real samples.
    """
    layouts = [spec.layout for spec in artifact.inputs]
    runtime, files = artifact.runtime, artifact.files
    [given] = run_here(files[0], runtime, reference.inputs, layouts)
    precision = artifact.precision or "fp32"
    far = TOLERANCES[precision].drawn
    if not math.isfinite(far) or not reference.outputs:
        return
    requested = reference.outputs
    shapes = [list(one.shape) for one in given], [list(one.shape) for one in requested]
    if shapes[0] != shapes[1]:
        raise ArtifactError(
            f"the file gives {shapes[0]} where the network gives {shapes[1]}."
        )
    off = max(
        elements_off(mine, theirs, precision)
        for mine, theirs in zip(given, requested, strict=True)
    )
    if off > DRAWN_ELEMENTS:
        raise ArtifactError(
            f"the file is not the network: {off:.0%} of its output differ by more than "
            f"{far:g} of the largest number."
        )


def _outputs(program: Program, example: Sequence[torch.Tensor]) -> tuple[Array, ...]:
    with torch.no_grad():
        found = program.module(*example)
    return tuple(tensor.numpy() for tensor in pytree.tree_leaves(found))
