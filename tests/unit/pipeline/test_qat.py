"""When a student is trained with int8's rounding."""

from __future__ import annotations

import pytest

from edgekit.errors import ParityError
from edgekit.pipeline.evaluate import BrokenArtifact, Evaluated, EvaluatedArtifact
from edgekit.pipeline.qat import reason_to_train
from edgekit.report.note_words import qat_reason
from edgekit.types import Evaluation, Parity
from tests.unit.pipeline.artifacts import artifact


def evaluated(precision: str, drop: float, failure: str | None = None) -> Evaluated:
    if failure:
        return BrokenArtifact(
            artifact=artifact(precision), failure=ParityError(failure)
        )
    return EvaluatedArtifact(
        artifact=artifact(precision),
        parity=Parity(relative_error=0.0, agreement=1.0, samples=10),
        evaluation=Evaluation(metric="accuracy", value=1 - drop, samples=10),
        accuracy_drop=drop,
    )


@pytest.mark.parametrize(
    ("qat", "limit", "found", "words"),
    [
        ("auto", 0.01, [evaluated("fp32", 0.0), evaluated("int8", 0.02)], "missed the acc"),
        ("auto", 0.01, [evaluated("fp32", 0.0), evaluated("int8", 0.01)], None),
        ("auto", 0.01, [evaluated("fp32", 0.05), evaluated("int8", 0.06)], None),
        ("auto", 0.01, [evaluated("int8", 0.06)], "missed the accuracy budget"),
        ("auto", None, [evaluated("fp32", 0.0), evaluated("int8", 0.5)], None),
        ("auto", None, [evaluated("int8", 0.0, "gone")], "broke litert-int8"),
        ("auto", 0.01, [evaluated("fp32", 0.02)], None),
        ("never", 0.01, [evaluated("fp32", 0.0), evaluated("int8", 0.5)], None),
        ("always", None, [evaluated("fp32", 0.0), evaluated("int8", 0.0)], "recipe asks"),
        ("always", None, [evaluated("fp32", 0.0)], None),
    ],
)  # fmt: skip
def test_when_a_student_is_trained_with_rounding(
    qat: str,
    limit: float | None,
    found: list[Evaluated],
    words: str | None,
) -> None:
    why = reason_to_train(found, qat, limit)
    assert why is None if words is None else words in qat_reason(why)
