"""The proof of a student: its files judged, learned again where int8 loses too much, and timed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from edgekit.pipeline.evaluate import (
    Benchmark,
    evaluate_artifacts,
    unchanged,
)
from edgekit.pipeline.frontier import NetworkEvaluator
from edgekit.pipeline.locked import chosen_again, settled, with_options
from edgekit.pipeline.pruning_inputs import PruningInputs
from edgekit.pipeline.qat import recover_with_qat
from edgekit.pipeline.repeated import believed
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.runtime_options import tune_runtime_options
from edgekit.pipeline.search import PrunedCandidate
from edgekit.program.program import Program
from edgekit.types import Artifact, IOFusion
from edgekit.types.notes import Note


@dataclass(frozen=True, kw_only=True)
class Proof:
    """Results of a student's files, one of them chosen."""

    timed: Benchmark
    student: Program
    """The network behind the chosen file."""
    notes: tuple[Note, ...]

    def within(self, bundle: Path) -> Proof:
        """The same with files named as they lie in the folder `bundle`, wherever that will be."""
        candidates = tuple(
            replace(
                candidate,
                artifact=replace(
                    candidate.artifact,
                    files=tuple(
                        file.relative_to(bundle) for file in candidate.artifact.files
                    ),
                ),
            )
            for candidate in self.timed.candidates
        )
        return replace(self, timed=replace(self.timed, candidates=candidates))


def prove(
    evaluator: NetworkEvaluator,
    request: BuildRequest,
    student: Program,
    artifacts: Sequence[Artifact],
    pruning: PruningInputs,
    pruned: PrunedCandidate,
) -> Proof:
    """Results of the student's `artifacts`, and of those that take their place.

    A measurement that contradicts the speed-ups of the `pruned` candidate is repeated. Raises
    `ArtifactError` where every artifact is broken, `LockError` where the file is not there that
    the request's lock names.
    """
    evaluation, contest = evaluator.evaluation, evaluator.contest
    project, locked = request.project, request.locked
    project = replace(project, recipe=settled(project.recipe, locked))
    evaluated = evaluate_artifacts(evaluation, student, artifacts)
    own_size = evaluation.own_samples is None
    if pruned.untouched and own_size and evaluation.samples.folding == IOFusion():
        evaluated = unchanged(evaluated)
    smaller = pruning.smaller
    pair = (smaller.teacher if smaller else evaluation.network, student)
    again_in_int8 = evaluator.exporting.in_int8
    recovered = recover_with_qat(
        project, pruning.training, evaluation, pair, evaluated, again_in_int8
    )
    behind = partial(recovered.behind, student=student)
    timed = tune_runtime_options(
        contest,
        evaluation,
        chosen_again(
            believed(contest, with_options(recovered.evaluated, locked), pruned.judged),
            locked,
        ),
        behind,
        project.recipe.bench.runtime_options_s,
    )
    return Proof(timed=timed, student=behind(timed.chosen), notes=recovered.notes)
