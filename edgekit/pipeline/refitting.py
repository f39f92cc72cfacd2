"""A planned cut before its training: emptied by another one first on request, refitted to the
units that remain, with statistics of its own.
"""

from __future__ import annotations

import math
from dataclasses import replace

from edgekit.distill.optimize import batch_size
from edgekit.graph.graph import WidthGraph, analyze
from edgekit.graph.surgery import shrink
from edgekit.pipeline import stage_inputs
from edgekit.pipeline.norm_statistics import renormalized
from edgekit.pipeline.pruning_inputs import PruningInputs
from edgekit.pipeline.search import PrunedCandidate
from edgekit.pipeline.stage_records import NetworkRecord
from edgekit.pipeline.training import TeacherEnsemble, TrainingSpec, train_student
from edgekit.pipeline.unit_scores import batches, score_importance
from edgekit.pipeline.weighed import Weighed
from edgekit.program.placement import best_device, room
from edgekit.program.program import Program
from edgekit.progress import Silent
from edgekit.prune.objective import keep_best
from edgekit.prune.planner import Planner
from edgekit.prune.reconstruct import reconstruct
from edgekit.prune.solution import Solution
from edgekit.prune.sparsity import penalty
from edgekit.store import Stage, Store, kept
from edgekit.types import Plan
from edgekit.types.notes import UnitsEmptied

_SAMPLES_FITTED, _FEWEST_FITTED = 1024, 32
_MEMORY = 2**30
"""Bytes that activations of the samples may take while layers are fitted."""
_GROWTH = 0.7
"""Fraction of the steps after which a growing penalty is at its ceiling; the rest settle."""


def mended(
    fitted: PrunedCandidate, inputs: PruningInputs, teacher: Program
) -> PrunedCandidate:
    """A planned cut with its units emptied, its layers refitted and statistics taken again, as the
    recipe asks for."""
    recipe = inputs.recipe.prune
    if fitted.whole:
        return fitted
    if recipe.sparsity != "none":
        fitted = _emptied(inputs, teacher, fitted)
    if recipe.compensate:
        fitted = compensated(fitted, inputs)
    again = recipe.reestimate_batch_norm
    if not recipe.compensate if again is None else again:
        fitted = _with_own_statistics(fitted, inputs, teacher)
    return fitted


def compensated(fitted: PrunedCandidate, inputs: PruningInputs) -> PrunedCandidate:
    """The same with the layers that read removed units refitted to the remaining ones."""
    graph, plan, store = fitted.graph, fitted.solution.plan, inputs.training.store
    student = _refitted(fitted.planner, graph, plan, inputs, store)
    return replace(fitted, student=student)


def tried(weighed: Weighed, solution: Solution, inputs: PruningInputs) -> Program:
    """The network of a plan that is one of many, with its layers refitted where the recipe has
    it; it is not kept."""
    planner, plan = weighed.planner, solution.plan
    if not inputs.recipe.prune.compensate:
        return shrink(planner.graph, plan)
    training = replace(inputs.training, progress=Silent())
    quiet = replace(inputs, training=training)
    return _refitted(planner, planner.graph, plan, quiet, None)


def _refitted(
    planner: Planner,
    graph: WidthGraph,
    plan: Plan,
    inputs: PruningInputs,
    store: Store | None,
) -> Program:
    """A plan's network with its layers refitted; kept in the store, where one is given."""
    held = 2 * planner.activation_bytes()
    memory = room(_MEMORY, best_device())
    count = min(_SAMPLES_FITTED, max(_FEWEST_FITTED, memory // max(1, held)))
    title = f"Fit the layers that lost inputs, on {count} samples"
    train = inputs.train

    def make() -> Program:
        with inputs.progress.step(title):
            [(samples, _)] = batches(train, count)
            return reconstruct(graph, plan, samples)

    stage = Stage(
        kind="reconstruction",
        title=title,
        inputs={
            "network": stage_inputs.of_network(graph.program),
            "plan": plan,
            "samples": train.fingerprint(),
            "count": count,
            "versions": stage_inputs.training_versions(),
        },
        record=NetworkRecord(),
    )
    return kept(store, stage, make, inputs.progress)


def _with_own_statistics(
    fitted: PrunedCandidate, inputs: PruningInputs, teacher: Program
) -> PrunedCandidate:
    """The same with the statistics of batch norm taken again, unless it is worse for it."""
    batch = batch_size(inputs.recipe.distill, inputs.training.spec.kind)
    found = renormalized(inputs.training, teacher, fitted.student, batch)
    if found is None:
        return fitted
    return replace(fitted, student=found.network, notes=(*fitted.notes, found.note))


def _emptied(
    inputs: PruningInputs, teacher: Program, fitted: PrunedCandidate
) -> PrunedCandidate:
    """The same widths cut from a network whose units training emptied before.

    The growing penalty empties the units of the plan; the others select units by themselves,
    and these are scored again.
    """
    prune, whole = inputs.recipe.prune, fitted.graph.program
    recipe = replace(inputs.recipe.distill, epochs=prune.sparsity_epochs)
    plan = fitted.solution.plan
    batches = math.ceil(
        len(inputs.train) / batch_size(recipe, inputs.training.spec.kind)
    )
    penalty_of = penalty(
        prune.sparsity,
        fitted.graph,
        plan=plan,
        steps=math.ceil(_GROWTH * batches * recipe.epochs),
        strength=prune.sparsity_strength,
    )
    training_spec = TrainingSpec(
        recipe=recipe,
        title=f"Empty units ({prune.sparsity})",
        penalty=penalty_of,
        marks=(prune.sparsity, prune.sparsity_strength, dict(plan.kept)),
    )
    graph = analyze(
        train_student(
            inputs.training, TeacherEnsemble(first=teacher), whole, training_spec
        ).program
    )
    if prune.sparsity != "growing":
        scores = score_importance(
            graph,
            inputs.train,
            prune.importance,
            inputs.progress,
            inputs.training.store,
        )
        kept = keep_best(graph.groups, fitted.solution.widths, scores)
        plan = replace(kept, dropped_blocks=plan.dropped_blocks)
    return replace(
        fitted,
        graph=graph,
        student=shrink(graph, plan),
        solution=replace(fitted.solution, plan=plan),
        notes=(
            *fitted.notes,
            UnitsEmptied(method=prune.sparsity, epochs=recipe.epochs),
        ),
    )
