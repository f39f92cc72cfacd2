"""Preprocessing: the application's input, the artifact's expected input, and its metadata."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.devices import Device
from edgekit.diff import preprocessing_faults, run
from edgekit.diff.inputs import Question, Subject, load_array
from edgekit.diff.preprocessing_faults import Scene
from edgekit.diff.run import Probed
from edgekit.errors import DataError
from edgekit.program import reference
from edgekit.program.program import Program
from edgekit.types.diff import EXACT, PreprocessingDiff, PreprocessingEvidence

Array = NDArray[np.float32]
_JUDGED = 8
"""Samples that are enough to judge a fault by what the artifact answers."""


def check(
    question: Question,
    sides: Subject,
    one: Probed,
    device: Device,
    wrong: Sequence[Array] | None,
) -> tuple[PreprocessingDiff, ...]:
    """All findings; `wrong` are the artifact's outputs where they differ."""
    scene = sides.scene
    asked = question.preprocessed or question.answers
    if scene is None:
        if asked is not None:
            raise DataError(
                f"{asked} cannot be checked: how samples should be prepared is not known. "
                "Name the project: --project FOLDER"
            )
        return ()
    found = [*_contract(sides)]
    if question.preprocessed is not None:
        application_input = load_array(question.preprocessed)[: len(scene.raw)]
        found.append(
            _compare_application_input(scene, application_input.astype(np.float32))
        )
    if question.answers is not None:
        given = load_array(question.answers)[: len(scene.raw)].astype(np.float32)
        found.append(_answers(scene, one, device, given))
    if wrong is not None:
        expected = _expected(sides.program, scene, one, device)
        found += [expected] if expected is not None else []
    return tuple(found)


def accuracies(
    question: Question, sides: Subject, want: Sequence[Array], got: Sequence[Array]
) -> dict[str, float]:
    """Fraction of right decisions on the samples, by who decided; empty without classes."""
    read = sides.program.reads[0] if sides.program.reads else 0
    labels, first = sides.labels, want[read]
    if labels is None or first.ndim != 2 or first.shape[1] < 2:
        return {}
    found = {
        "network": _hits(first, labels),
        "artifact": _hits(got[read].reshape(first.shape), labels),
    }
    if question.preprocessed is not None:
        application_input = load_array(question.preprocessed)[: len(labels)].astype(
            np.float32
        )
        shape = sides.feeds[0].shape[1:]
        if application_input[0].size == int(np.prod(shape)):
            # A buffer of the right size is what an application hands over, whatever its order.
            feeds = [application_input.reshape(len(application_input), *shape)]
            answers = reference.answers(sides.program, feeds)[read]
            found["network as fed"] = _hits(answers, labels[: len(application_input)])
    return found


def _hits(outputs: Array, labels: Any) -> float:
    return float((outputs.argmax(1) == labels).mean())


# --- the three comparisons --------------------------------------------------------------------


def _compare_application_input(
    whole: Scene, application_input: Array
) -> PreprocessingDiff:
    """The application's input against the expected one."""
    scene = _few(whole)
    application_input = application_input[: len(scene.raw)]
    scene = replace(scene, raw=scene.raw[: len(application_input)])
    right = scene.right()
    before = preprocessing_faults.relative_error(application_input, right)
    if before is not None and before <= EXACT:
        return PreprocessingDiff(
            where="fed",
            faults=(),
            evidence=PreprocessingEvidence(kind="as_prepared"),
            error_before=before,
            error_after=before,
        )

    def judge(prepared: Sequence[Array]) -> list[float | None]:
        return [
            preprocessing_faults.relative_error(application_input, each)
            for each in prepared
        ]

    best, after = preprocessing_faults.explain(scene, judge, before)
    evidence = PreprocessingEvidence(
        kind="shapes",
        fed_shape=application_input.shape[1:],
        expected_shape=right.shape[1:],
    )
    if before is not None and best is not None:
        evidence = PreprocessingEvidence(kind="values")
    elif before is not None:
        evidence = PreprocessingEvidence(
            kind="channels",
            fed_channels=preprocessing_faults.statistics(application_input, scene.raw),
            expected_channels=preprocessing_faults.statistics(right, scene.raw),
        )
    return PreprocessingDiff(
        where="fed",
        faults=() if best is None else best.faults,
        evidence=evidence,
        error_before=before,
        error_after=after,
    )


def _expected(
    program: Program, whole: Scene, one: Probed, device: Device
) -> PreprocessingDiff | None:
    """Return whether the artifact is right on samples that are prepared in another way."""
    scene = _few(whole)
    want = reference.answers(program, [scene.right()])[0]
    best, before, after = _by_answers(scene, one, device, want)
    if best is None:
        return None
    return PreprocessingDiff(
        where="expected",
        faults=best.faults,
        evidence=PreprocessingEvidence(kind="network_outputs"),
        error_before=before,
        error_after=after,
    )


def _answers(
    whole: Scene, one: Probed, device: Device, given: Array
) -> PreprocessingDiff:
    """The fault that would make the artifact answer as it did in the application."""
    scene = _few(whole)
    best, before, after = _by_answers(scene, one, device, given[: len(scene.raw)])
    right = before is not None and before <= EXACT
    return PreprocessingDiff(
        where="answers",
        faults=() if best is None else best.faults,
        evidence=PreprocessingEvidence(
            kind="artifact_outputs" if right else "outputs_alone"
        ),
        error_before=before,
        error_after=after,
    )


def _few(scene: Scene) -> Scene:
    resized = scene.resized

    @cache
    def fewer(kernel: str) -> Any:
        other = resized(kernel)
        return None if other is None else other[:_JUDGED]

    return Scene(raw=scene.raw[:_JUDGED], spec=scene.spec, resized=fewer)


def _by_answers(
    scene: Scene, one: Probed, device: Device, want: Array
) -> tuple[preprocessing_faults.Candidate | None, float | None, float | None]:
    """The fault whose samples the artifact answers with `want`; errors without and with it."""
    takes, shape = one.opened.inputs[0].shape[1:], scene.raw.shape[1:]
    turned = takes != shape and takes == (*shape[1:], shape[0])

    def judge(prepared: Sequence[Array]) -> list[float | None]:
        if (
            turned
        ):  # the difference between the inputs is not a fault: only the values can be
            prepared = [np.moveaxis(each, 1, -1) for each in prepared]
        fitting = [n for n, each in enumerate(prepared) if each.shape[1:] == takes]
        errors: list[float | None] = [None] * len(prepared)
        if fitting:
            together = np.concatenate([prepared[n] for n in fitting])
            answers = run.answers(one, [together], device)[0]
            parts = np.split(answers, len(fitting))
            for n, part in zip(fitting, parts, strict=True):
                errors[n] = preprocessing_faults.relative_error(
                    part.reshape(want.shape), want
                )
        return errors

    [before] = judge([scene.right()])
    if before is not None and before <= EXACT:
        return None, before, before
    best, after = preprocessing_faults.explain(scene, judge, before)
    return best, before, after


def _contract(sides: Subject) -> list[PreprocessingDiff]:
    """Where the artifact's own description differs from the project."""
    inside = (sides.contract.get("folded") or {}).get("preprocess")
    stated = dict(inside or sides.contract.get("preprocessing") or {})
    stated.pop("formula", None)
    if sides.spec is None:
        return []
    expected = asdict(sides.spec)
    differing = [
        f"{key} = {_shown(stated[key])} for {_shown(expected[key])}"
        for key in expected
        if key in stated and _plain(stated[key]) != _plain(expected[key])
    ]
    if not differing:
        return []
    return [
        PreprocessingDiff(
            where="contract",
            faults=tuple(differing),
            evidence=PreprocessingEvidence(kind="metadata"),
            error_before=None,
            error_after=None,
        )
    ]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _shown(value: Any) -> str:
    return str(_plain(value))
