"""The unpruned network's files: what every speed-up is against, where the device takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgekit.export.workers import Variant
from edgekit.pipeline import compatibility, left_out
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.loading import Loaded
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.runners import ExportRunner
from edgekit.pipeline.samples import BuildData
from edgekit.program.io_fusion import folded
from edgekit.program.program import Program
from edgekit.types import Artifact, IOFusion, RuntimeName
from edgekit.types.notes import Note


@dataclass(frozen=True, kw_only=True)
class Baselines:
    """The unpruned network in fp32 on every runtime that takes it, the planned one first."""

    artifacts: tuple[Artifact, ...]
    allowed: compatibility.Compatibility
    notes: tuple[Note, ...]
    """Artifacts that are left out, with the reasons."""


def export_baselines(
    request: BuildRequest,
    env: Environment,
    loaded: Loaded,
    runtimes: Sequence[RuntimeName],
    folder: Path,
) -> Baselines:
    """Export the unpruned network for `runtimes`, and check what of it the target takes.

    Raises `ArtifactError` where nothing can be exported or run, `BudgetInfeasible` where the
    network does not fit the RAM.
    """
    teacher, samples = loaded.teacher, loaded.samples
    exporter = ExportRunner.of(request, env)
    unpruned = _unpruned(exporter, teacher, runtimes, folder)
    whole = _whole(exporter, teacher, samples, unpruned, folder)
    allowed = compatibility.check(
        request, env, teacher, whole.artifacts, samples, folder
    )
    artifacts = tuple(b for b in unpruned.artifacts if b.runtime in allowed.runtimes)
    planned = left_out.planned_for(runtimes[0], artifacts[0].runtime)
    return Baselines(
        artifacts=artifacts,
        allowed=allowed,
        notes=(*unpruned.notes, *whole.notes, *allowed.notes, *planned),
    )


def _unpruned(
    exporter: ExportRunner,
    teacher: Program,
    runtimes: Sequence[RuntimeName],
    folder: Path,
) -> left_out.Exports:
    """The unpruned network in fp32 on every runtime: what every speed-up is against."""
    requested: list[Variant] = [(name, "fp32") for name in runtimes]
    title = "Export the unpruned network"
    made = left_out.export(
        exporter, teacher, requested, folder / "unpruned", title=title
    )
    named = [replace(one, name=f"unpruned-{one.name}") for one in made.artifacts]
    return replace(made, artifacts=named)


def _whole(
    exporter: ExportRunner,
    teacher: Program,
    samples: BuildData,
    unpruned: left_out.Exports,
    folder: Path,
) -> left_out.Exports:
    """The same with what is folded in around it, whose operators the device must have too."""
    if samples.folding == IOFusion():
        return replace(unpruned, notes=())
    requested: list[Variant] = [(one.runtime, "fp32") for one in unpruned.artifacts]
    program, title = folded(teacher, samples.folding), "Export it with its ends"
    return left_out.export(exporter, program, requested, folder / "whole", title=title)
