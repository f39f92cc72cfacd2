"""Whether a file opens on its own runtime and gives what its network gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch.utils import _pytree as pytree

from edgekit.agent.arrays import arranged
from edgekit.agent.errors import AgentError
from edgekit.agent.runtimes import find, open_model, settings
from edgekit.agent.session import run
from edgekit.errors import ArtifactError
from edgekit.program.program import Program
from edgekit.runtimes import registry
from edgekit.types import Artifact

Array = npt.NDArray[Any]
_FAR: dict[str, float] = {"fp32": 1e-2, "fp16": 1e-1}
"""Of an output's largest number: what rounding in float does not explain."""
_ELEMENTS = 0.01
"""Fraction of an output's elements that may be as far: a tie that rounding decides moves a few."""
_SMALLEST = 1e-3
"""An output whose numbers are all below it is compared as though one were of that size."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """One seeded sample and what the network gives for it."""

    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    """Empty where the network itself does not give the same twice."""

    @classmethod
    def of(cls, program: Program) -> Self:
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
        arrays: dict[str, Any] = {f"input_{i}": v for i, v in enumerate(self.inputs)}
        arrays |= {f"output_{i}": v for i, v in enumerate(self.outputs)}
        np.savez(path, **arrays)

    @classmethod
    def read(cls, path: Path) -> Self:
        with np.load(path, allow_pickle=False) as file:
            return cls(
                inputs=tuple(file[n] for n in file.files if n.startswith("input_")),
                outputs=tuple(file[n] for n in file.files if n.startswith("output_")),
            )


def verify(artifact: Artifact, reference: Reference) -> None:
    """Open and run a file once; raises `ArtifactError` where it is refused or is another network.

    What is in integers is only run: its outputs are judged on real samples.
    """
    given = _given(artifact, reference)
    far = _FAR.get(artifact.precision or "fp32")
    if far is None or not reference.outputs:
        return
    wanted = reference.outputs
    shapes = [list(one.shape) for one in given], [list(one.shape) for one in wanted]
    if shapes[0] != shapes[1]:
        raise ArtifactError(
            f"the file gives {shapes[0]} where the network gives {shapes[1]}."
        )
    share = max(_apart(g, w, far) for g, w in zip(given, wanted, strict=True))
    if share > _ELEMENTS:
        raise ArtifactError(
            f"the file is not the network: {share:.0%} of its output differ by more than "
            f"{far:g} of the largest number."
        )


def _outputs(program: Program, example: Sequence[torch.Tensor]) -> tuple[Array, ...]:
    with torch.no_grad():
        found = program.module(*example)
    return tuple(tensor.numpy() for tensor in pytree.tree_leaves(found))


def _given(artifact: Artifact, reference: Reference) -> list[Array]:
    # The file is the same, and its own runtime is what this environment can have.
    name = registry.get(artifact.runtime).format
    try:
        runtime, _ = find(name)
        session = open_model(runtime, str(artifact.files[0]), 1, settings(runtime, {}))
        feeds = [
            arranged(value, spec.layout).astype(info.dtype)
            for value, spec, info in zip(
                reference.inputs, artifact.inputs, session.inputs, strict=True
            )
        ]
        return run(session, feeds)
    except AgentError as error:
        raise ArtifactError(str(error)) from error


def _apart(given: Array, wanted: Array, far: float) -> float:
    """Fraction of elements further apart than `far` of the largest; NaN is near NaN alone."""
    given, wanted = given.astype(np.float64), wanted.astype(np.float64)
    finite = np.isfinite(wanted)
    scale = float(np.abs(wanted[finite]).max(initial=_SMALLEST))
    with np.errstate(invalid="ignore"):
        near = np.abs(given - wanted) <= far * scale
    near |= (given == wanted) | (np.isnan(given) & np.isnan(wanted))
    return float(1 - near.mean()) if near.size else 0.0
