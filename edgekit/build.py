"""The straight line from a trained network and a device to a proved bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path

import edgekit
from edgekit import candidates, constraints, source
from edgekit import report as reports
from edgekit.aware import recover
from edgekit.bench.verdict import verdicts
from edgekit.data import accuracy, evaluate
from edgekit.distill import Distilled
from edgekit.errors import BudgetMissed, DeviceError
from edgekit.export.contract import embed
from edgekit.export.isolation import Wanted
from edgekit.fit import Fitted
from edgekit.folding import fed, left_over, prepared
from edgekit.folding import notes as folding_notes
from edgekit.forecast import check
from edgekit.job import Job, Samples, read_samples
from edgekit.package import bundle
from edgekit.prove import Proof, examine, prove
from edgekit.report.words import SCHEMA_VERSION, lost
from edgekit.scratch import folder as scratch_folder
from edgekit.source.ends import folded
from edgekit.source.program import Program
from edgekit.students import learn
from edgekit.task import judged
from edgekit.tune import tune
from edgekit.types import (
    Artifact,
    Candidate,
    Evaluation,
    Folding,
    NetworkSummary,
    Report,
    RuntimeName,
)

_LIBRARIES = (
    *("torch", "numpy", "onnx", "onnxruntime", "onnxscript", "openvino", "nncf"),
    *("litert-torch", "ai-edge-litert", "ai-edge-quantizer", "scipy"),
)


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """The trained network, the data, and how good the one is on the other."""

    teacher: Program
    samples: Samples
    reference: Evaluation
    note: str | None


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
        reference, note = loaded.reference, loaded.note
        unpruned = _export_unpruned(job, teacher, runtimes, Path(scratch))
        whole = _whole(job, teacher, samples, unpruned, Path(scratch))
        allowed = constraints.check(
            job, teacher, whole.artifacts, samples, Path(scratch)
        )
        baselines = [
            one for one in unpruned.artifacts if one.runtime in allowed.runtimes
        ]
        fitted, taught = learn(job, teacher, samples, baselines[0], Path(scratch))
        origin = teacher.fingerprint()
        exports = _export(job, taught.program, allowed, samples, folder, origin)
        artifacts = exports.artifacts
        table = fitted.planner.table
        prediction = check(job, table, teacher, taught.program, artifacts)
        found = examine(job, taught.program, reference, artifacts, samples)
        if fitted.untouched and samples.folding == Folding():
            found = [
                replace(o, unchanged=o.artifact.precision == "fp32") for o in found
            ]
        int8 = partial(_export_int8, job, allowed, samples, folder, origin)
        pair = teacher, taught.program
        rivals = recover(job, pair, reference, found, samples, int8)
        proof = prove(job, reference, rivals.examined, baselines)
        behind = partial(rivals.behind, student=taught.program)
        proof = tune(job, behind, proof, baselines, samples)
        taught = replace(taught, program=behind(proof.chosen))
        report = _report(job, samples, fitted, taught, _in_bundle(proof, folder))
        left_out = (*unpruned.notes, *whole.notes, *allowed.notes, *exports.notes)
        planned = _planned(runtimes, baselines)
        said = (*((note,) if note else ()), *left_out, *planned)
        doubt = prediction.doubt if prediction else table.doubt
        notes = (*said, *report.notes, *rivals.notes, *((doubt,) if doubt else ()))
        report = replace(report, prediction=prediction, notes=notes)
        _package(job, report, taught.program, teacher, samples, folder)
    _refuse_if_missed(report)
    return report


def runtimes_of(job: Job) -> tuple[RuntimeName, ...]:
    """The profile's runtimes that this device has; the first is the one the plan is for.

    LiteRT stands in for tflite-runtime where only it is there: it runs the same file.
    """
    present = job.runtimes
    asked = job.project.recipe.export.runtimes or job.target.runtimes
    foreign = [name for name in asked if name not in job.target.runtimes]
    if foreign:
        raise DeviceError(
            f"{job.target.name} does not run {foreign[0]}: its profile has "
            f"{', '.join(job.target.runtimes)}. Change [recipe.export] runtimes."
        )
    found: list[RuntimeName] = [
        "litert" if name == "tflite-runtime" and name not in present else name
        for name in asked
    ]
    if found[0] not in present:
        extra = "litert" if found[0] == "tflite-runtime" else found[0]
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
        teacher = _load(job)
        samples = prepared(job, teacher, read_samples(job, teacher))
        samples, reference, note = _evaluate(job, teacher, samples)
        shared[key] = Loaded(
            teacher=teacher, samples=samples, reference=reference, note=note
        )
    return shared[key]


def _load(job: Job) -> Program:
    with job.progress.step("Load the network"):
        project = job.project
        network = source.load(
            project.model, root=project.root, allow_pickle=job.allow_pickle
        )
    if note := source.unweighted(job.project.model):
        job.progress.say(note)
    return network


def _evaluate(
    job: Job, teacher: Program, samples: Samples
) -> tuple[Samples, Evaluation, str | None]:
    with job.progress.step("Evaluate the network"):
        samples, reference, note = judged(job, teacher, samples)
    job.progress.say(
        f"Network: {reference.metric} {reference.shown} on {reference.samples} samples"
    )
    return samples, reference, note


def _export_unpruned(
    job: Job, teacher: Program, runtimes: Sequence[RuntimeName], folder: Path
) -> constraints.Exports:
    """The unpruned network in fp32 on every runtime: what every speed-up is against."""
    wanted: list[Wanted] = [(name, "fp32") for name in runtimes]
    title = "Export the unpruned network"
    made = constraints.export(job, teacher, wanted, folder / "unpruned", title=title)
    named = [replace(one, name=f"unpruned-{one.name}") for one in made.artifacts]
    return replace(made, artifacts=named)


def _planned(
    runtimes: Sequence[RuntimeName], baselines: Sequence[Artifact]
) -> tuple[str, ...]:
    """Which runtime the plan is for, where it is another than the first."""
    first, used = runtimes[0], baselines[0].runtime
    return () if first == used else (f"{first} is left out: the plan is for {used}",)


def _whole(
    job: Job,
    teacher: Program,
    samples: Samples,
    unpruned: constraints.Exports,
    folder: Path,
) -> constraints.Exports:
    """The same with what is folded in around it, whose operators the device must have too."""
    if samples.folding == Folding():
        return replace(unpruned, notes=())
    wanted: list[Wanted] = [(one.runtime, "fp32") for one in unpruned.artifacts]
    program, title = folded(teacher, samples.folding), "Export it with its ends"
    return constraints.export(job, program, wanted, folder / "whole", title=title)


def _export(
    job: Job,
    student: Program,
    allowed: constraints.Allowed,
    samples: Samples,
    folder: Path,
    origin: str,
) -> constraints.Exports:
    """The student's files, each with its contract inside; `origin` names the trained network."""
    wanted = candidates.wanted(job, student, allowed.runtimes)
    given = fed(samples)
    made = constraints.export(
        job,
        folded(student, samples.folding),
        [each for each in wanted if each[:2] not in allowed.refused],
        folder / "candidates",
        title="Export the student",
        calibration=given.calibration,
        labels=samples.labels,
        validation=candidates.validation(job, given),
    )
    _describe(job, samples, made.artifacts, origin)
    return made


def _describe(
    job: Job, samples: Samples, made: Sequence[Artifact], origin: str
) -> None:
    """Let each file carry its own contract."""
    facts = {"edgekit": edgekit.__version__, "source_sha256": origin}
    for artifact in made:
        described = bundle.described(_contract(samples, artifact))
        own = {"name": job.project.name, "precision": artifact.precision}
        embed(artifact.files[0], {**described, **facts, **own})


def _contract(samples: Samples, artifact: Artifact) -> bundle.IOContract:
    return bundle.IOContract(
        inputs=artifact.inputs,
        outputs=artifact.outputs,
        preprocess=left_over(samples),
        labels=samples.labels,
        task=samples.kind,
        folding=samples.folding,
    )


def _export_int8(
    job: Job,
    allowed: constraints.Allowed,
    samples: Samples,
    folder: Path,
    origin: str,
    student: Program,
) -> list[Artifact]:
    """A student trained with int8's rounding; what of it cannot be made is said, and is all."""
    given = fed(samples)
    made = job.export(
        folded(student, samples.folding),
        [(r, "int8") for r in allowed.runtimes if (r, "int8") not in allowed.refused],
        folder / "candidates/aware",
        title="Export the student in int8 again",
        calibration=given.calibration,
        labels=samples.labels,
        validation=candidates.validation(job, given),
        on_failure=lambda one: job.progress.say(f"Left out: {one.error}"),
    )
    _describe(job, samples, made, origin)
    return made


def _report(
    job: Job,
    samples: Samples,
    fitted: Fitted,
    taught: Distilled,
    proof: Proof,
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
        barriers=tuple(
            f"{barrier.operator} at {barrier.node}: {barrier.why}"
            for barrier in fitted.graph.barriers
        ),
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
            *candidates.notes(proof.candidates),
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


def _notes(job: Job) -> list[str]:
    notes = []
    if "tflite-runtime" in job.target.runtimes:
        notes.append(
            "LiteRT of this machine ran the .tflite in the place of tflite-runtime"
        )
    if not job.proven:
        notes.append(
            "int8 and fp32 were compared on this machine; the winner can differ on "
            f"{job.target.name}"
        )
    return notes


def _how_taught(taught: Distilled) -> list[str]:
    """What the student learned from beside soft targets and labels."""
    notes = []
    if taught.losses:
        added = ", ".join(f"{name} ({w:g})" for name, w in taught.losses.items())
        notes.append(f"the student was taught by soft targets, labels and {added}")
    if taught.teacher_hit_rate:
        notes.append(
            f"{taught.teacher_hit_rate:.0%} of the teacher's answers were kept from before"
        )
    return notes


def _versions() -> dict[str, str]:
    versions = {"edgekit": edgekit.__version__}
    for name in _LIBRARIES:
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
    samples: Samples,
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
            contract=_contract(samples, model),
            source_hash=teacher.fingerprint(),
            versions=_versions(),
        )


def _in_bundle(proof: Proof, folder: Path) -> Proof:
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
        lines = "; ".join(f"{verdict.name}: {verdict.why}" for verdict in missed)
        raise BudgetMissed(f"{report.target.name} is over its budget: {lines}.", report)
