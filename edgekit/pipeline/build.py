"""The straight line from a trained network and a device to a proved bundle."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from edgekit.config import lock_file
from edgekit.errors import BudgetMissed
from edgekit.export import conversions, warm
from edgekit.export.workers import prepare
from edgekit.package import bundle
from edgekit.pipeline import locked
from edgekit.pipeline.assemble import (
    Built,
    assemble_report,
    converted_in,
    write_bundle,
)
from edgekit.pipeline.baselines import export_baselines
from edgekit.pipeline.chain import prune_and_distill
from edgekit.pipeline.cost_model import check
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.finished import Builds, is_first
from edgekit.pipeline.loading import Loaded, Shared, load, runtimes_of
from edgekit.pipeline.pictures import with_pictures
from edgekit.pipeline.proof import prove
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.resolution import Sizes, networks_of
from edgekit.pipeline.sanity import refuse_doubtful
from edgekit.program.program import Program
from edgekit.report.note_words import sentence
from edgekit.report.verdict_words import budget_reason
from edgekit.scratch import folder as scratch_folder
from edgekit.types import Report
from edgekit.types.notes import Advice


def build(
    request: BuildRequest, env: Environment, out: Path, shared: Shared | None = None
) -> Report:
    """Run every stage and leave the bundle in `out`, whole or not at all.

    What is in `shared` is not loaded again, and what is loaded is put there. Raises
    `BudgetMissed` after leaving the bundle where its model is over the budget: the report then
    names the missed figure and the excess.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(bundle.replacing(out))
        scratch = stack.enter_context(scratch_folder())
        stack.enter_context(warm.kept())
        stack.enter_context(conversions.kept(scratch / "conversions"))
        runtimes = runtimes_of(request.project.recipe.export, request.target, env)
        if is_first(request, env.store):
            prepare(runtimes)
        loaded = load(request, env, {} if shared is None else shared)
        refuse_doubtful(loaded.notes, accepted=request.accept_doubts)
        locked.check(request, loaded)
        builds = Builds.of(request, env, loaded)
        report = builds.again(folder)
        if report is None:
            smaller = networks_of(request, loaded)
            baselines = export_baselines(request, env, loaded, runtimes, scratch)
            making = Sizes(
                request=request,
                env=env,
                baselines=baselines,
                bundle=folder,
                scratch=scratch,
            )
            report = _made(making, loaded, smaller)
            builds.keep(report, folder)
        lock = lock_file.read(folder, request.target.name)
    locked.publish(request, lock, env.progress)
    _refuse_if_missed(report)
    return report


def _made(making: Sizes, loaded: Loaded, smaller: Sequence[Program]) -> Report:
    """The report of a bundle that is made of a network, or of it at one of `smaller` sizes."""
    request, env, folder = making.request, making.env, making.bundle
    at = making.decided(loaded, smaller)
    loaded, exporting, pruning = at.loaded, at.exporting, at.pruning
    teacher = loaded.teacher
    pruned, distilled = prune_and_distill(request, pruning, teacher, making.scratch)
    student = distilled.program
    exported = exporting.candidates(student)
    pair, files = (teacher, student), exported.artifacts
    prediction = check(
        pruning.costs,
        pruned.table,
        pair,
        files,
        pruning.target,
        env.progress,
        env.store,
    )
    proof = prove(at.evaluator, request, student, files, pruning, pruned)
    converted = exporting.converted(proof.student)
    lock = locked.lock_of(request, loaded.original, pruned, proof.timed, proof.student)
    lock = replace(lock, size=at.smaller_size)
    differing = locked.verify(lock, request.locked)
    built = Built(
        pruned=pruned,
        distilled=distilled,
        proof=proof.within(folder),
        prediction=prediction,
        uncut=at.points(final=pruned.untouched),
        converted=tuple(converted_in(folder, one) for one in converted.artifacts),
        notes=(
            *(*loaded.notes, *making.baselines.notes, *exported.notes),
            *(*converted.notes, *differing),
        ),
    )
    report = assemble_report(request, env, loaded, built)
    report = with_pictures(report, request.project, env, loaded, proof)
    with env.progress.step("Package"):
        locked.write(request, lock, folder)
        write_bundle(report, proof.student, loaded, folder)
    return report


def _refuse_if_missed(report: Report) -> None:
    missed = [verdict for verdict in report.verdicts if verdict.verdict == "over"]
    if missed:
        lines = "; ".join(
            f"{verdict.name}: {budget_reason(verdict)}" for verdict in missed
        )
        advice = [sentence(one) for one in report.notes if isinstance(one, Advice)]
        said = ". ".join((f"{report.target.name} is over its budget: {lines}", *advice))
        raise BudgetMissed(f"{said}.", report)
