"""Quantization-aware distillation: where int8 loses more than the budget allows, the student
learns with its rounding, and is exported again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from edgekit.config.project import Project
from edgekit.export.equalization import equalized
from edgekit.pipeline.evaluate import (
    BrokenArtifact,
    Evaluated,
    EvaluatedArtifact,
    EvaluationInputs,
    evaluate_artifacts,
)
from edgekit.pipeline.left_out import Exports
from edgekit.pipeline.training import TeacherEnsemble, TrainingSpec, train_student
from edgekit.pipeline.training_inputs import TrainingInputs
from edgekit.program.program import Program
from edgekit.report.note_words import qat_reason
from edgekit.types import Candidate, DistillRecipe, Recipe
from edgekit.types.notes import Note, QatReason, RoundingGain, TrainedWithRounding

SUFFIX = "-aware"
RATE = 5e-4
"""AdamW's: its steps do not hang on how large a weight is, and where int8 fails, weights of one
layer often are of very different sizes. Small, as the network need only learn the rounding."""

Export = Callable[[Program], Exports]
"""Exports a student in int8, on every runtime."""


@dataclass(frozen=True, kw_only=True)
class QatResult:
    """All that competes now; `student` is the one behind the artifacts whose names end so."""

    evaluated: tuple[Evaluated, ...]
    student: Program | None = None
    notes: tuple[Note, ...] = ()

    def behind(self, candidate: Candidate, *, student: Program) -> Program:
        """The network that a candidate was exported from; `student` is the one of all others."""
        ours = candidate.artifact.name.endswith(SUFFIX)
        return self.student if ours and self.student is not None else student


def recover_with_qat(
    project: Project,
    training: TrainingInputs,
    evaluation: EvaluationInputs,
    pair: tuple[Program, Program],
    evaluated: Sequence[Evaluated],
    export: Export,
) -> QatResult:
    """Train with int8's rounding where the recipe or the budget asks for it.

    The float teacher of the pair trains the student as it was distilled, with fake quantization
    of the granularity that the exporters use; they take its weights, and ranges from
    calibration. It starts with channels of equal ranges, which leave least to learn.
    """
    teacher, student = pair
    why = reason_to_train(
        evaluated, project.recipe.quantize.qat, project.budget.accuracy_drop
    )
    if why is None:
        return QatResult(evaluated=tuple(evaluated))
    training.progress.say(f"int8: {qat_reason(why)}. Training with int8's rounding")
    training_spec = TrainingSpec(
        recipe=gentle(project.recipe), title="Distill with int8's rounding", qat=True
    )
    start = equalized(student, training.samples.calibration) or student
    distilled = train_student(
        training, TeacherEnsemble(first=teacher), start, training_spec
    )
    before, kept = distilled.epochs[0], distilled.epochs[distilled.kept_epoch]
    made = export(distilled.program)
    artifacts = [
        replace(artifact, name=artifact.name + SUFFIX) for artifact in made.artifacts
    ]
    found = evaluate_artifacts(evaluation, distilled.program, artifacts)
    trained = TrainedWithRounding(
        reason=why,
        epochs=len(distilled.epochs) - 1,
        before=before.score(distilled.metric),
        after=kept.score(distilled.metric),
    )
    return QatResult(
        evaluated=(*evaluated, *found),
        student=distilled.program,
        notes=(trained, *made.notes, *_gains(found, evaluated)),
    )


def reason_to_train(
    evaluated: Sequence[Evaluated], asked: str, limit: float | None
) -> QatReason | None:
    """Why the student is to be trained with rounding; `None` where it is not."""
    quantized = [one for one in evaluated if one.artifact.precision == "int8"]
    if asked == "never" or not quantized:
        return None
    if asked == "always":
        return QatReason(cause="recipe")
    sound = [one for one in quantized if isinstance(one, EvaluatedArtifact)]
    for one in quantized:
        if isinstance(one, BrokenArtifact):
            return QatReason(cause="broken", artifact=one.artifact.name)
    if limit is None or any(one.keeps(limit) for one in quantized):
        return None
    floats = [one for one in evaluated if one.artifact.precision in ("fp32", "fp16")]
    if floats and not any(one.keeps(limit) for one in floats):
        return None  # not int8's fault
    nearest = min(sound, key=lambda one: one.accuracy_drop)
    score = nearest.evaluation.score
    return QatReason(cause="over_budget", artifact=nearest.artifact.name, score=score)


def gentle(recipe: Recipe) -> DistillRecipe:
    """The recipe for a student that has to learn the rounding alone."""
    return replace(
        recipe.distill,
        epochs=recipe.quantize.qat_epochs,
        optimizer="adamw",
        learning_rate=RATE,
        losses={},
        mixup=0.0,
    )


def _gains(
    found: Sequence[Evaluated], others: Sequence[Evaluated]
) -> Iterator[RoundingGain]:
    """Each artifact that is its network, with and without training with rounding."""
    plain = {
        other.artifact.name: other.evaluation.score
        for other in others
        if isinstance(other, EvaluatedArtifact)
    }
    for one in found:
        if isinstance(one, EvaluatedArtifact):
            name = one.artifact.name.removesuffix(SUFFIX)
            after = one.evaluation.score
            yield RoundingGain(artifact=name, before=plain.get(name), after=after)
