"""A build's results put together: the report, and the bundle's files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import edgekit
from edgekit import report as reports
from edgekit.bench.verdict import verdicts
from edgekit.distill import Distilled
from edgekit.evaluate.accuracy import evaluate
from edgekit.export.publish import complete_files
from edgekit.package import bundle
from edgekit.pipeline import variants
from edgekit.pipeline.advice import with_advice
from edgekit.pipeline.cost_model import operators_of
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.exports import contract
from edgekit.pipeline.io_fusion import notes as folding_notes
from edgekit.pipeline.loading import Loaded
from edgekit.pipeline.proof import Proof
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.sanity import familiar_validation
from edgekit.pipeline.search import PrunedCandidate
from edgekit.program.program import Program
from edgekit.report.words import headline
from edgekit.runtimes import registry
from edgekit.types import (
    REPORT_SCHEMA,
    Artifact,
    ConvertedArtifact,
    FrontierPoint,
    Measurement,
    NetworkSummary,
    Prediction,
    Report,
    Target,
)
from edgekit.types.export_notes import (
    ComparedOnHost,
    RuntimeSubstituted,
    TimesReused,
)
from edgekit.types.notes import (
    LearningRateTested,
    LossesAdded,
    Note,
    TeacherOutputsReused,
    unique,
)

_LIBRARIES = ("torch", "numpy", "scipy")
"""Whose versions a report has, beside those of the runtimes' libraries."""


@dataclass(frozen=True, kw_only=True)
class Built:
    """Results of a build's stages."""

    pruned: PrunedCandidate
    distilled: Distilled
    proof: Proof
    prediction: Prediction | None
    """Errors of the cost model on whole networks."""
    uncut: tuple[FrontierPoint, ...]
    """The uncut network's files on validation data."""
    notes: tuple[Note, ...]
    """Of the stages before the proof."""
    converted: tuple[ConvertedArtifact, ...] = ()
    """The student's files for runtimes that run nowhere here."""


def converted_in(bundle: Path, artifact: Artifact) -> ConvertedArtifact:
    """A file that is converted and not run, named as it lies in the folder `bundle`."""
    files = tuple(file.relative_to(bundle) for file in artifact.files)
    return ConvertedArtifact(
        artifact=replace(artifact, files=files), size_mb=artifact.size_mb
    )


def assemble_report(
    request: BuildRequest, env: Environment, loaded: Loaded, built: Built
) -> Report:
    """The report of a build, with advice where a budget is missed."""
    report = _report(request, env, loaded, built)
    table, prediction = built.pruned.table, built.prediction
    doubt = prediction.doubt if prediction else table.doubt
    familiar = familiar_validation(built.uncut, loaded.reference)
    after = (*built.proof.notes, *(one for one in (doubt, familiar) if one is not None))
    report = replace(
        report,
        prediction=prediction,
        notes=unique((*built.notes, *report.notes, *after)),
        frontier=(
            *built.uncut,
            *built.pruned.points,
        ),
        outlook=built.pruned.outlook,
    )
    train = loaded.samples.train
    return with_advice(report, len(train), labeled=train.labeled)


def _report(
    request: BuildRequest, env: Environment, loaded: Loaded, built: Built
) -> Report:
    project, target, samples = request.project, request.target, loaded.samples
    fitted, distilled, timed = built.pruned, built.distilled, built.proof.timed
    planner, solution = fitted.planner, fitted.solution
    widths, dropped = solution.widths, solution.dropped
    chosen = timed.chosen
    own = fitted.own
    macs = own.macs if own else planner.macs(widths, dropped)
    rows = planner.rows(widths, dropped)
    found = verdicts(chosen, project.budget, target, macs=macs)
    return Report(
        schema_version=REPORT_SCHEMA,
        project=project.name,
        target=target,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        environment={**versions(), **_machine(env.probe)},
        budget=project.budget,
        verdicts=found,
        headline=headline(chosen, target.name, proven=env.proven),
        teacher=NetworkSummary(
            parameters=planner.parameters(),
            macs=sum(o.macs for o in operators_of(loaded.original.teacher)),
            evaluation=timed.reference,
        ),
        student=NetworkSummary(
            parameters=own.parameters if own else planner.parameters(widths, dropped),
            macs=macs,
            evaluation=evaluate(
                built.proof.student, samples.test, metric=loaded.metric
            ),
        ),
        widths=() if own else planner.width_rows(widths, dropped),
        barriers=fitted.graph.barriers,
        dropped_blocks=dropped,
        operators=(*(replace(row, after=0.0) for row in rows), *own.operators)
        if own
        else rows,
        cost_provenance=planner.table.provenance,
        cost_unit=planner.table.unit,
        prediction=None,
        rounds=fitted.rounds,
        epochs=distilled.epochs,
        best_epoch=distilled.best_epoch,
        kept_epoch=distilled.kept_epoch,
        calibration=samples.calibration_facts,
        baselines=timed.unpruned,
        candidates=timed.candidates,
        converted=built.converted,
        notes=(
            *_notes(target, proven=env.proven),
            *fitted.notes,
            *_training_notes(distilled),
            *_reused([*timed.unpruned, *(c.measurement for c in timed.candidates)]),
            *folding_notes(samples.folding),
            *variants.notes(timed.candidates),
            *timed.notes,
        ),
        task=project.task,
        links=fitted.links,
    )


def _notes(target: Target, *, proven: bool) -> Iterator[Note]:
    """The stand-in for the target."""
    for name in target.runtimes:
        ran = registry.get(name).format
        if ran != name:
            yield RuntimeSubstituted(runtime=name, ran=ran)
    if not proven:
        yield ComparedOnHost(target=target.name)


def _reused(measurements: Sequence[Measurement]) -> Iterator[TimesReused]:
    """The age of times that were not taken by this build."""
    reused = [one for one in measurements if one.reused]
    if reused:
        oldest = min(reused, key=lambda one: one.taken or "")
        yield TimesReused(
            taken=oldest.taken, device=oldest.device, measurements=len(reused)
        )


def times_reused(report: Report) -> Report:
    """The same of a build that took none of its times."""
    baselines = tuple(replace(one, reused=True) for one in report.baselines)
    candidates = tuple(
        replace(one, measurement=replace(one.measurement, reused=True))
        for one in report.candidates
    )
    others = [one for one in report.notes if not isinstance(one, TimesReused)]
    measured = [*baselines, *(one.measurement for one in candidates)]
    return replace(
        report,
        baselines=baselines,
        candidates=candidates,
        notes=(*others, *_reused(measured)),
    )


def _training_notes(distilled: Distilled) -> Iterator[Note]:
    """Learning rate by trial, and losses of the student beside soft targets and labels."""
    if distilled.rate_test is not None:
        yield LearningRateTested(test=distilled.rate_test)
    if distilled.losses:
        yield LossesAdded(weights=distilled.losses)
    if distilled.teacher_hit_rate:
        yield TeacherOutputsReused(fraction=distilled.teacher_hit_rate)


def versions() -> dict[str, str]:
    """Versions of EdgeKit and of the libraries that make and run files."""
    found = {"edgekit": edgekit.__version__}
    used = (each.libraries.values() for each in registry.known().values())
    for name in dict.fromkeys((*_LIBRARIES, *(one for each in used for one in each))):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _machine(probe: Mapping[str, Any]) -> dict[str, str]:
    facts = probe["machine"]
    return {f"device {key}": str(value) for key, value in facts.items()}


def write_bundle(
    report: Report, student: Program | None, loaded: Loaded, folder: Path
) -> None:
    """Lay out the bundle: the chosen model, the candidates, the student, report, manifest.

    `None` is a student that lies there already, beside its calibration samples.
    """
    winner = next(c.artifact for c in report.candidates if c.chosen)
    files = tuple(folder / file for file in winner.files)
    model = bundle.place(replace(winner, files=files), folder, stem="model")
    for file, place in zip(
        complete_files(files), complete_files(model.files), strict=True
    ):
        if file.is_file():
            shutil.copyfile(file, place)
    if student is not None:
        student.save(folder / "student.pt2")
        loaded.samples.calibrated.save(folder / "calibration.npz")
    text = loaded.samples.text
    if text is not None:
        place = folder / text.contract.tokenizer
        place.write_text(text.content, encoding="utf-8")
    decoder = loaded.samples.decoder_file
    if decoder is not None:
        (folder / decoder.contract.file).write_bytes(decoder.content)
    reports.write(report, folder)
    bundle.write_manifest(
        folder,
        report=report,
        chosen=model,
        contract=contract(loaded.samples, model, loaded.teacher.reads),
        source_hash=loaded.original.teacher.fingerprint(),
        versions=versions(),
    )
