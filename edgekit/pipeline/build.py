"""The straight line from a trained network and a device to a proved bundle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path

import edgekit
from edgekit import report as reports
from edgekit.bench.verdict import verdicts
from edgekit.data import accuracy
from edgekit.distill import Distilled
from edgekit.errors import BudgetMissed, DeviceError
from edgekit.evaluate.accuracy import evaluate
from edgekit.package import bundle
from edgekit.pipeline import compatibility, exports, variants
from edgekit.pipeline.chain import train_chain
from edgekit.pipeline.check_data import judged
from edgekit.pipeline.context import BuildData, Job, read_samples
from edgekit.pipeline.cost_model import check
from edgekit.pipeline.evaluate import Benchmark, benchmark, evaluate_artifacts
from edgekit.pipeline.io_fusion import notes as folding_notes
from edgekit.pipeline.io_fusion import prepared
from edgekit.pipeline.qat import recover_with_qat
from edgekit.pipeline.runtime_options import tune_runtime_options
from edgekit.pipeline.search import PrunedCandidate
from edgekit.program.program import Program
from edgekit.report.verdict_words import budget_reason
from edgekit.report.words import SCHEMA_VERSION, lost
from edgekit.runtimes import registry
from edgekit.scratch import folder as scratch_folder
from edgekit.types import (
    Candidate,
    Evaluation,
    IOFusion,
    NetworkSummary,
    Report,
    RuntimeName,
)
from edgekit.types.export_notes import ComparedOnHost, RuntimeSubstituted
from edgekit.types.notes import LossesAdded, Note, TeacherOutputsReused, unique

_LIBRARIES = ("torch", "numpy", "scipy")
"""Whose versions a report has, beside those of the runtimes' libraries."""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """The trained network, the data, and how good the one is on the other."""

    teacher: Program
    samples: BuildData
    reference: Evaluation
    notes: tuple[Note, ...]


Shared = dict[object, Loaded]
"""What builds of one project for several targets have in common, by what it depends on."""


def build(job: Job, out: Path, shared: Shared | None = None) -> Report:
    """Run every stage and leave the bundle in `out`, whole or not at all.

    What is in `shared` is not loaded again, and what is loaded is put there. Raises
    `BudgetMissed` after leaving the bundle where its model is over the budget: the report then
    says which number missed and by how much.
    """
    with bundle.replacing(out) as folder, scratch_folder() as scratch:
        runtimes = runtimes_of(job)
        loaded = _loaded(job, {} if shared is None else shared)
        teacher, samples = loaded.teacher, loaded.samples
        reference = loaded.reference
        unpruned = exports.unpruned(job, teacher, runtimes, Path(scratch))
        whole = exports.whole(job, teacher, samples, unpruned, Path(scratch))
        allowed = compatibility.check(
            job, teacher, whole.artifacts, samples, Path(scratch)
        )
        baselines = [
            one for one in unpruned.artifacts if one.runtime in allowed.runtimes
        ]
        fitted, taught = train_chain(job, teacher, samples, baselines[0], Path(scratch))
        origin = teacher.fingerprint()
        made = exports.student(job, taught.program, allowed, samples, folder, origin)
        artifacts = made.artifacts
        table = fitted.planner.table
        prediction = check(job, table, teacher, taught.program, artifacts)
        found = evaluate_artifacts(job, taught.program, reference, artifacts, samples)
        if fitted.untouched and samples.folding == IOFusion():
            found = [
                replace(o, unchanged=o.artifact.precision == "fp32") for o in found
            ]
        int8 = partial(exports.student_in_int8, job, allowed, samples, folder, origin)
        pair = teacher, taught.program
        rivals = recover_with_qat(job, pair, reference, found, samples, int8)
        proof = benchmark(job, reference, rivals.examined, baselines)
        behind = partial(rivals.behind, student=taught.program)
        proof = tune_runtime_options(job, behind, proof, baselines, samples)
        taught = replace(taught, program=behind(proof.chosen))
        report = _report(job, samples, fitted, taught, _in_bundle(proof, folder))
        doubt = prediction.doubt if prediction else table.doubt
        notes = (
            *loaded.notes,
            *(*unpruned.notes, *whole.notes, *allowed.notes, *made.notes),
            *exports.planned_for(runtimes, baselines),
            *report.notes,
            *rivals.notes,
            *([] if doubt is None else [doubt]),
        )
        report = replace(report, prediction=prediction, notes=unique(notes))
        _package(job, report, taught.program, teacher, samples, folder)
    _refuse_if_missed(report)
    return report


def runtimes_of(job: Job) -> tuple[RuntimeName, ...]:
    """The profile's runtimes that this device has; the first is the one the plan is for.

    Where one that has no format of its own is not there, that of its files stands in for it.
    """
    present = job.runtimes
    asked = job.project.recipe.export.runtimes or job.target.runtimes
    foreign = [name for name in asked if name not in job.target.runtimes]
    if foreign:
        raise DeviceError(
            f"{job.target.name} does not run {foreign[0]}: its profile has "
            f"{', '.join(job.target.runtimes)}. Change [recipe.export] runtimes."
        )
    found = [name if name in present else registry.get(name).format for name in asked]
    if found[0] not in present:
        extra = registry.get(found[0]).extra
        raise DeviceError(
            f"{job.device.name} has no {found[0]}, which {job.target.name} runs. "
            f"Install it: pip install 'edgekit[{extra}]'"
        )
    return tuple(dict.fromkeys(name for name in found if name in present))


def _loaded(job: Job, shared: Shared) -> Loaded:
    """Everything before the target matters, once for recipes that read it alike."""
    recipe = job.project.recipe
    drawn = (recipe.seed, recipe.distill.validation_share, recipe.calibration)
    key = (*drawn, recipe.export.fold_preprocessing, recipe.export.fold_postprocessing)
    if key not in shared:
        teacher = job.load_network()
        samples = prepared(job, teacher, read_samples(job, teacher))
        samples, reference, notes = _evaluate(job, teacher, samples)
        shared[key] = Loaded(
            teacher=teacher, samples=samples, reference=reference, notes=notes
        )
    return shared[key]


def _evaluate(
    job: Job, teacher: Program, samples: BuildData
) -> tuple[BuildData, Evaluation, tuple[Note, ...]]:
    with job.progress.step("Evaluate the network"):
        samples, reference, notes = judged(job, teacher, samples)
    job.progress.say(
        f"Network: {reference.metric} {reference.shown} on {reference.samples} samples"
    )
    drawn = (*samples.train.notes, *samples.test.notes, *samples.calibrated.notes)
    return samples, reference, (*drawn, *notes)


def _report(
    job: Job,
    samples: BuildData,
    fitted: PrunedCandidate,
    taught: Distilled,
    proof: Benchmark,
) -> Report:
    planner, solution = fitted.planner, fitted.solution
    widths, dropped = solution.widths, solution.dropped
    chosen = proof.chosen
    own = fitted.own
    macs = own.macs if own else planner.macs(widths, dropped)
    rows = planner.rows(widths, dropped)
    found = verdicts(chosen, job.project.budget, job.target, macs=macs)
    return Report(
        schema_version=SCHEMA_VERSION,
        project=job.project.name,
        target=job.target,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        environment={**_versions(), **_machine(job)},
        budget=job.project.budget,
        verdicts=found,
        headline=_headline(job, chosen),
        teacher=NetworkSummary(
            parameters=planner.parameters(),
            macs=planner.macs(),
            evaluation=proof.reference,
        ),
        student=NetworkSummary(
            parameters=own.parameters if own else planner.parameters(widths, dropped),
            macs=macs,
            evaluation=evaluate(
                taught.program, samples.test, metric=job.task.metric or accuracy
            ),
        ),
        widths=() if own else planner.width_rows(widths, dropped),
        barriers=fitted.graph.barriers,
        dropped_blocks=dropped,
        operators=(*(replace(row, after=0.0) for row in rows), *own.operators)
        if own
        else rows,
        cost_source=planner.table.source,
        cost_unit=planner.table.unit,
        prediction=None,
        rounds=fitted.rounds,
        epochs=taught.epochs,
        best_epoch=taught.best_epoch,
        calibration=samples.calibration_facts,
        baselines=proof.unpruned,
        candidates=proof.candidates,
        notes=(
            *_notes(job),
            *fitted.notes,
            *_how_taught(taught),
            *folding_notes(samples.folding),
            *variants.notes(proof.candidates),
            *proof.notes,
        ),
        task=job.project.task,
        links=fitted.links,
    )


def _headline(job: Job, chosen: Candidate) -> str:
    measured = chosen.measurement
    where = measured.device if job.proven else f"this machine ({measured.device})"
    faster = f"{chosen.speedup:.2f}x as fast as the unpruned network"
    if chosen.speedup < 1:
        faster = f"no faster than the unpruned network ({chosen.speedup:.2f}x)"
    line = (
        f"{chosen.artifact.name} is {faster} on {where}, {measured.runtime}, and "
        f"{lost(chosen)}."
    )
    if not job.proven:
        line += f" Milliseconds on {job.target.name} are unproven: none was attached. "
    return line.strip()


def _notes(job: Job) -> Iterator[Note]:
    """What stood in for the target."""
    for name in job.target.runtimes:
        ran = registry.get(name).format
        if ran != name:
            yield RuntimeSubstituted(runtime=name, ran=ran)
    if not job.proven:
        yield ComparedOnHost(target=job.target.name)


def _how_taught(taught: Distilled) -> Iterator[Note]:
    """What the student learned from beside soft targets and labels."""
    if taught.losses:
        yield LossesAdded(weights=taught.losses)
    if taught.teacher_hit_rate:
        yield TeacherOutputsReused(fraction=taught.teacher_hit_rate)


def _versions() -> dict[str, str]:
    versions = {"edgekit": edgekit.__version__}
    used = (each.libraries.values() for each in registry.known().values())
    for name in dict.fromkeys((*_LIBRARIES, *(one for each in used for one in each))):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _machine(job: Job) -> dict[str, str]:
    facts = job.probe["machine"]
    return {f"device {key}": str(value) for key, value in facts.items()}


def _package(
    job: Job,
    report: Report,
    student: Program,
    teacher: Program,
    samples: BuildData,
    folder: Path,
) -> None:
    """Lay out the bundle: the chosen model, the candidates, the student, report, manifest."""
    with job.progress.step("Package"):
        winner = next(c.artifact for c in report.candidates if c.chosen)
        files = tuple(folder / file for file in winner.files)
        model = bundle.place(replace(winner, files=files), folder, stem="model")
        student.save(folder / "student.pt2")
        samples.calibrated.save(folder / "calibration.npz")
        reports.write(report, folder)
        bundle.write_manifest(
            folder,
            report=report,
            chosen=model,
            contract=exports.contract(samples, model),
            source_hash=teacher.fingerprint(),
            versions=_versions(),
        )


def _in_bundle(proof: Benchmark, folder: Path) -> Benchmark:
    """The same with files named as they lie in the bundle, wherever that will be."""
    candidates = tuple(
        replace(
            candidate,
            artifact=replace(
                candidate.artifact,
                files=tuple(f.relative_to(folder) for f in candidate.artifact.files),
            ),
        )
        for candidate in proof.candidates
    )
    return replace(proof, candidates=candidates)


def _refuse_if_missed(report: Report) -> None:
    missed = [verdict for verdict in report.verdicts if verdict.verdict == "over"]
    if missed:
        lines = "; ".join(
            f"{verdict.name}: {budget_reason(verdict)}" for verdict in missed
        )
        raise BudgetMissed(f"{report.target.name} is over its budget: {lines}.", report)
