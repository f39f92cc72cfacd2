"""Measurements that contradict what was expected are repeated before they are believed."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace

from edgekit.bench.statistics import apart, contradicts
from edgekit.pipeline.evaluate import Benchmark, Contest, Evaluated, benchmark
from edgekit.report.note_words import sentence
from edgekit.types.notes import MeasuredAgain

Speedups = Mapping[str, float]
"""Over the unpruned fp32 network, by artifact."""


def believed(
    contest: Contest,
    evaluated: Sequence[Evaluated],
    expected: Speedups,
    title: str = "Measure on the runtime",
) -> Benchmark:
    """The benchmark of the artifacts, taken twice where a speed-up contradicts the `expected` one.

    Of the two the one counts that is nearer to the middle of all three figures: a second
    measurement that repeats the first is believed against any expectation. Notes name both.
    Raises `ArtifactError` where every artifact is broken.
    """
    first = benchmark(contest, evaluated, title)
    off = contradicted(first, expected)
    if not off:
        return first
    contest.bench.progress.say(
        f"{', '.join(off)}: not as fast or as slow as expected, so it is measured again"
    )
    sound = [first.evaluated(one) for one in first.candidates]
    again = benchmark(contest, sound, "Measure again")
    counts = likelier(first, again, {name: expected[name] for name in off})
    one, other, best = map(speedups_of, (first, again, counts))
    notes = [
        MeasuredAgain(
            artifact=name,
            expected=expected[name],
            first=one[name],
            again=other[name],
            counts=best[name],
        )
        for name in off
    ]
    for note in notes:
        contest.bench.progress.say(sentence(note))
    return replace(counts, notes=(*first.notes, *notes))


def speedups_of(found: Benchmark) -> dict[str, float]:
    """The speed-up of each candidate."""
    return {one.artifact.name: one.speedup for one in found.candidates}


def contradicted(found: Benchmark, expected: Speedups) -> list[str]:
    """Artifacts whose speed-up contradicts the expected one."""
    return [
        name
        for name, speedup in speedups_of(found).items()
        if name in expected and contradicts(speedup, expected[name])
    ]


def likelier(first: Benchmark, again: Benchmark, expected: Speedups) -> Benchmark:
    """The benchmark that is nearer to the median of both and what is expected."""
    pairs = [(found, speedups_of(found)) for found in (first, again)]

    def distance(pair: tuple[Benchmark, Speedups]) -> float:
        _, speedups = pair
        return sum(
            apart(
                speedups[name],
                statistics.median([own, *(each[name] for _, each in pairs)]),
            )
            for name, own in expected.items()
        )

    return min(pairs, key=distance)[0]
