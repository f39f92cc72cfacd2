"""The straight line from a trained network and a device to a proved bundle."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import edgekit
from edgekit import report as reports
from edgekit.bench.verdict import verdicts
from edgekit.distill import Distilled
from edgekit.errors import BudgetMissed
from edgekit.evaluate.accuracy import evaluate
from edgekit.export.publish import complete_files
from edgekit.package import bundle
from edgekit.pipeline import variants
from edgekit.pipeline.advice import with_advice
from edgekit.pipeline.baselines import export_baselines
from edgekit.pipeline.chain import prune_and_distill
from edgekit.pipeline.cost_model import check
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.evaluate import (
    Benchmark,
    Contest,
    EvaluationInputs,
    benchmark,
    evaluate_artifacts,
    unchanged,
)
from edgekit.pipeline.exports import StudentExports, contract
from edgekit.pipeline.frontier import FrontierEvaluator
from edgekit.pipeline.io_fusion import notes as folding_notes
from edgekit.pipeline.loading import Loaded, Shared, load, runtimes_of
from edgekit.pipeline.pruning_inputs import PruningInputs
from edgekit.pipeline.qat import recover_with_qat
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.runtime_options import tune_runtime_options
from edgekit.pipeline.sanity import refuse_doubtful
from edgekit.pipeline.search import PrunedCandidate
from edgekit.program.program import Program
from edgekit.report.note_words import sentence
from edgekit.report.verdict_words import budget_reason
from edgekit.report.words import headline
from edgekit.runtimes import registry
from edgekit.scratch import folder as scratch_folder
from edgekit.types import REPORT_SCHEMA, IOFusion, NetworkSummary, Report, Target
from edgekit.types.export_notes import ComparedOnHost, RuntimeSubstituted
from edgekit.types.notes import Advice, LossesAdded, Note, TeacherOutputsReused, unique

_LIBRARIES = ("torch", "numpy", "scipy")
"""Whose versions a report has, beside those of the runtimes' libraries."""


def build(
    request: BuildRequest, env: Environment, out: Path, shared: Shared | None = None
) -> Report:
    """Run every stage and leave the bundle in `out`, whole or not at all.

    What is in `shared` is not loaded again, and what is loaded is put there. Raises
    `BudgetMissed` after leaving the bundle where its model is over the budget: the report then
    names the missed figure and the excess.
    """
    project, recipe = request.project, request.project.recipe
    with bundle.replacing(out) as folder, scratch_folder() as scratch:
        runtimes = runtimes_of(recipe.export, request.target, env)
        loaded = load(request, env, {} if shared is None else shared)
        refuse_doubtful(loaded.notes, accepted=request.accept_doubts)
        baselines = export_baselines(request, env, loaded, runtimes, scratch)
        allowed = baselines.allowed
        exporting = StudentExports.of(request, env, loaded, allowed, folder)
        frontier = FrontierEvaluator.of(request, env, loaded, baselines, exporting)
        uncut = frontier.unpruned(loaded.teacher, scratch / "uncut")
        pruning = PruningInputs.of(
            request, env, loaded, baselines.artifacts, allowed.refused
        ).judged_by(frontier, uncut)
        pruned, distilled = prune_and_distill(request, pruning, loaded.teacher, scratch)
        exported = exporting.candidates(distilled.program)
        pair, artifacts = (loaded.teacher, distilled.program), exported.artifacts
        prediction = check(pruning.costs, pruned.table, pair, artifacts, env.progress)
        evaluation = EvaluationInputs.of(request, env, loaded)
        evaluated = evaluate_artifacts(evaluation, distilled.program, artifacts)
        if pruned.untouched and loaded.samples.folding == IOFusion():
            evaluated = unchanged(evaluated)
        recovered = recover_with_qat(
            project, pruning.training, evaluation, pair, evaluated, exporting.in_int8
        )
        contest = Contest.of(request, env, loaded.reference, baselines.artifacts)
        timed = benchmark(contest, recovered.evaluated)
        behind = partial(recovered.behind, student=distilled.program)
        best = tune_runtime_options(
            contest, evaluation, timed, behind, recipe.bench.runtime_options_s
        )
        distilled = replace(distilled, program=behind(best.chosen))
        timed = _in_bundle(best, folder)
        report = _report(request, env, evaluation, pruned, distilled, timed)
        doubt = prediction.doubt if prediction else pruned.table.doubt
        before = (*loaded.notes, *baselines.notes, *exported.notes)
        after = (*recovered.notes, *([] if doubt is None else [doubt]))
        notes = unique((*before, *report.notes, *after))
        points = (*uncut.points("uncut"), *pruned.points)
        report = replace(report, prediction=prediction, notes=notes, frontier=points)
        report = with_advice(report, len(loaded.samples.train))
        with env.progress.step("Package"):
            _package(report, distilled.program, loaded, folder)
    _refuse_if_missed(report)
    return report


def _report(
    request: BuildRequest,
    env: Environment,
    evaluation: EvaluationInputs,
    fitted: PrunedCandidate,
    distilled: Distilled,
    timed: Benchmark,
) -> Report:
    project, target, samples = request.project, request.target, evaluation.samples
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
        environment={**_versions(), **_machine(env.probe)},
        budget=project.budget,
        verdicts=found,
        headline=headline(chosen, target.name, proven=env.proven),
        teacher=NetworkSummary(
            parameters=planner.parameters(),
            macs=planner.macs(),
            evaluation=timed.reference,
        ),
        student=NetworkSummary(
            parameters=own.parameters if own else planner.parameters(widths, dropped),
            macs=macs,
            evaluation=evaluate(
                distilled.program, samples.test, metric=evaluation.metric
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
        calibration=samples.calibration_facts,
        baselines=timed.unpruned,
        candidates=timed.candidates,
        notes=(
            *_notes(target, proven=env.proven),
            *fitted.notes,
            *_training_notes(distilled),
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


def _training_notes(distilled: Distilled) -> Iterator[Note]:
    """Losses of the student beside soft targets and labels."""
    if distilled.losses:
        yield LossesAdded(weights=distilled.losses)
    if distilled.teacher_hit_rate:
        yield TeacherOutputsReused(fraction=distilled.teacher_hit_rate)


def _versions() -> dict[str, str]:
    versions = {"edgekit": edgekit.__version__}
    used = (each.libraries.values() for each in registry.known().values())
    for name in dict.fromkeys((*_LIBRARIES, *(one for each in used for one in each))):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _machine(probe: Mapping[str, Any]) -> dict[str, str]:
    facts = probe["machine"]
    return {f"device {key}": str(value) for key, value in facts.items()}


def _package(report: Report, student: Program, loaded: Loaded, folder: Path) -> None:
    """Lay out the bundle: the chosen model, the candidates, the student, report, manifest."""
    winner = next(c.artifact for c in report.candidates if c.chosen)
    files = tuple(folder / file for file in winner.files)
    model = bundle.place(replace(winner, files=files), folder, stem="model")
    for file, place in zip(
        complete_files(files), complete_files(model.files), strict=True
    ):
        if file.is_file():
            shutil.copyfile(file, place)
    student.save(folder / "student.pt2")
    loaded.samples.calibrated.save(folder / "calibration.npz")
    reports.write(report, folder)
    bundle.write_manifest(
        folder,
        report=report,
        chosen=model,
        contract=contract(loaded.samples, model),
        source_hash=loaded.teacher.fingerprint(),
        versions=_versions(),
    )


def _in_bundle(timed: Benchmark, folder: Path) -> Benchmark:
    """The same with files named as they lie in the bundle, wherever that will be."""
    candidates = tuple(
        replace(
            candidate,
            artifact=replace(
                candidate.artifact,
                files=tuple(f.relative_to(folder) for f in candidate.artifact.files),
            ),
        )
        for candidate in timed.candidates
    )
    return replace(timed, candidates=candidates)


def _refuse_if_missed(report: Report) -> None:
    missed = [verdict for verdict in report.verdicts if verdict.verdict == "over"]
    if missed:
        lines = "; ".join(
            f"{verdict.name}: {budget_reason(verdict)}" for verdict in missed
        )
        advice = [sentence(one) for one in report.notes if isinstance(one, Advice)]
        said = ". ".join((f"{report.target.name} is over its budget: {lines}", *advice))
        raise BudgetMissed(f"{said}.", report)
