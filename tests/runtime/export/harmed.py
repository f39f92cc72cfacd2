"""A network that int8 harms, exported in a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekit.export.quantization_accuracy import Validation
from edgekit.types import Artifact, TaskSpec
from tests.runtime.export.apart import one

HARMED = 2
"""Layers at the ends of the harmed tensor."""


def made(
    apart: Any, harmed: Any, place: Path, runtime: str, **options: Any
) -> Artifact:
    program, samples, classes = harmed
    program.save(place / "net.pt2")
    validation = Validation(
        inputs=samples,
        targets=classes,
        task=TaskSpec(),
        root=place,
        allowed=0.02,
        recover=options.pop("recover", True),
    )
    given = {
        "precision": "int8",
        "calibration": samples[:64],
        "validation": validation,
        **options,
    }
    source = place / "net.pt2"
    artifact: Artifact = apart.submit(
        one, runtime, place / "out", source, program.inputs, given
    ).result()
    return artifact
