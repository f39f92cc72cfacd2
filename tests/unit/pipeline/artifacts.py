"""Artifacts that nothing is behind."""

from __future__ import annotations

from pathlib import Path

from edgekit.types import (
    Artifact,
)


def artifact(precision: str, name: str | None = None) -> Artifact:
    return Artifact(
        name=name or f"litert-{precision}",
        runtime="litert",
        precision=precision,  # type: ignore[arg-type]
        files=(Path("x"),),
        inputs=(),
        outputs=(),
    )
