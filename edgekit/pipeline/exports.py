"""Every export of a build: the unpruned network, the same with its ends, and the student."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import edgekit
from edgekit.export.workers import Wanted
from edgekit.package import bundle
from edgekit.pipeline import compatibility, left_out, variants
from edgekit.pipeline.context import BuildData, Job
from edgekit.pipeline.io_fusion import artifact_inputs, left_over
from edgekit.program.io_fusion import folded
from edgekit.program.program import Program
from edgekit.runtimes.contract import embed
from edgekit.types import Artifact, IOFusion, RuntimeName
from edgekit.types.export_notes import PlannedRuntime


def unpruned(
    job: Job, teacher: Program, runtimes: Sequence[RuntimeName], folder: Path
) -> left_out.Exports:
    """The unpruned network in fp32 on every runtime: what every speed-up is against."""
    wanted: list[Wanted] = [(name, "fp32") for name in runtimes]
    title = "Export the unpruned network"
    made = left_out.export(job, teacher, wanted, folder / "unpruned", title=title)
    named = [replace(one, name=f"unpruned-{one.name}") for one in made.artifacts]
    return replace(made, artifacts=named)


def planned_for(
    runtimes: Sequence[RuntimeName], baselines: Sequence[Artifact]
) -> tuple[PlannedRuntime, ...]:
    """Which runtime the plan is for, where it is another than the first."""
    first, used = runtimes[0], baselines[0].runtime
    return () if first == used else (PlannedRuntime(runtime=used, instead_of=first),)


def whole(
    job: Job,
    teacher: Program,
    samples: BuildData,
    unpruned: left_out.Exports,
    folder: Path,
) -> left_out.Exports:
    """The same with what is folded in around it, whose operators the device must have too."""
    if samples.folding == IOFusion():
        return replace(unpruned, notes=())
    wanted: list[Wanted] = [(one.runtime, "fp32") for one in unpruned.artifacts]
    program, title = folded(teacher, samples.folding), "Export it with its ends"
    return left_out.export(job, program, wanted, folder / "whole", title=title)


def student(
    job: Job,
    student: Program,
    allowed: compatibility.Compatibility,
    samples: BuildData,
    folder: Path,
    origin: str,
) -> left_out.Exports:
    """The student's files, each with its contract inside; `origin` names the trained network."""
    wanted = variants.wanted(job, student, allowed.runtimes)
    given = artifact_inputs(samples)
    made = left_out.export(
        job,
        folded(student, samples.folding),
        [each for each in wanted if each[:2] not in allowed.refused],
        folder / "candidates",
        title="Export the student",
        calibration=given.calibration,
        labels=samples.labels,
        validation=variants.validation(job, given),
    )
    _describe(job, samples, made.artifacts, origin)
    return made


def _describe(
    job: Job, samples: BuildData, made: Sequence[Artifact], origin: str
) -> None:
    """Let each file carry its own contract."""
    facts = {"edgekit": edgekit.__version__, "source_sha256": origin}
    for artifact in made:
        described = bundle.described(contract(samples, artifact))
        own = {"name": job.project.name, "precision": artifact.precision}
        embed(artifact.files[0], {**described, **facts, **own})


def contract(samples: BuildData, artifact: Artifact) -> bundle.IOContract:
    return bundle.IOContract(
        inputs=artifact.inputs,
        outputs=artifact.outputs,
        preprocess=left_over(samples),
        labels=samples.labels,
        task=samples.kind,
        folding=samples.folding,
    )


def student_in_int8(
    job: Job,
    allowed: compatibility.Compatibility,
    samples: BuildData,
    folder: Path,
    origin: str,
    student: Program,
) -> left_out.Exports:
    """A student trained with int8's rounding; nothing may be left of it."""
    given = artifact_inputs(samples)
    made = left_out.export(
        job,
        folded(student, samples.folding),
        [(r, "int8") for r in allowed.runtimes if (r, "int8") not in allowed.refused],
        folder / "candidates/aware",
        title="Export the student in int8 again",
        calibration=given.calibration,
        labels=samples.labels,
        validation=variants.validation(job, given),
        required=False,
    )
    _describe(job, samples, made.artifacts, origin)
    return made
