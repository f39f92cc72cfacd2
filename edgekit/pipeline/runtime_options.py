"""The runtime's own settings: tried on the best candidates, kept where they surely gain."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from edgekit.devices import jobs
from edgekit.pipeline.evaluate import (
    Benchmark,
    Contest,
    EvaluatedArtifact,
    EvaluationInputs,
    benchmark,
    evaluate_artifacts,
)
from edgekit.pipeline.runners import BenchRunner
from edgekit.program.program import Program
from edgekit.runtimes import registry
from edgekit.store import Json, kept
from edgekit.types import Artifact, Candidate, RuntimeOptions
from edgekit.types.export_notes import OptionTrial, RuntimeOptionsTried

BEST = 2
"""Candidates whose settings are tried."""
TURNS = 3
GAIN = 0.97
"""A setting is kept where every turn of it took less than this fraction of the default's time."""
_START_S = 120.0
_TITLE = "Try the runtime's settings"
_TRIALS = Json[list[RuntimeOptionsTried]](list[RuntimeOptionsTried])


def tune_runtime_options(
    contest: Contest,
    evaluation: EvaluationInputs,
    measured: Benchmark,
    behind: Callable[[Candidate], Program],
    limit_s: float,
) -> Benchmark:
    """The same with the options that gain, benchmarked with them again; notes list the trials.

    `behind` returns the network that a candidate was exported from. No more than `limit_s`
    seconds are spent on trying.
    """
    best = _best(contest, measured)
    if not best or not limit_s:
        return measured
    tried = _kept(contest.bench, [one.artifact for one in best], limit_s)
    notes: list[RuntimeOptionsTried] = []
    tuned: dict[str, EvaluatedArtifact] = {}
    for candidate, note in zip(best, tried, strict=True):
        if note.kept != RuntimeOptions():
            artifact = replace(candidate.artifact, runtime_options=note.kept)
            [one] = evaluate_artifacts(evaluation, behind(candidate), [artifact])
            if isinstance(one, EvaluatedArtifact):
                tuned[artifact.name] = one
            else:
                contest.bench.progress.say(f"Defaults kept: {one.failure}")
                note = replace(note, kept=RuntimeOptions())
        notes.append(note)
    measured = replace(measured, notes=(*measured.notes, *notes))
    return _timed_again(contest, measured, tuned) if tuned else measured


def _timed_again(
    contest: Contest, measured: Benchmark, tuned: Mapping[str, EvaluatedArtifact]
) -> Benchmark:
    """Every candidate of the runtimes in question and their baselines, timed in one run.

    Speed-ups and the baselines they are against so are of the same run.
    """
    runtimes = {one.artifact.runtime for one in tuned.values()}
    evaluated = [
        tuned.get(candidate.artifact.name) or measured.evaluated(candidate)
        for candidate in measured.candidates
        if candidate.artifact.runtime in runtimes
    ]
    beside = tuple(b for b in contest.baselines if b.runtime in runtimes)
    again = benchmark(replace(contest, baselines=beside), evaluated)
    timed = {b.name: m for b, m in zip(beside, again.unpruned, strict=True)}
    before = zip(contest.baselines, measured.unpruned, strict=True)
    repeated = {one.artifact.name: one for one in again.candidates}
    merged = [repeated.get(c.artifact.name, c) for c in measured.candidates]
    return replace(
        measured,
        unpruned=tuple(timed.get(b.name, measured) for b, measured in before),
        candidates=contest.choose(merged, merged[0].artifact.runtime),
    )


def _best(contest: Contest, measured: Benchmark) -> list[Candidate]:
    """The fastest that keep the accuracy budget, of the runtimes that may win."""
    limit, proven = contest.budget.accuracy_drop, contest.bench.proven
    timed = [
        candidate
        for candidate in measured.candidates
        if candidate.measurement.latency.p50_ms is not None
        and (limit is None or candidate.keeps(limit))
        and (proven or candidate.artifact.runtime == measured.chosen.artifact.runtime)
    ]
    return sorted(timed, key=lambda c: c.measurement.latency.p50_ms or 0.0)[:BEST]


def _kept(
    bench: BenchRunner, artifacts: Sequence[Artifact], limit_s: float
) -> list[RuntimeOptionsTried]:
    """The trials of each artifact, by an earlier build on this machine where it had them."""
    settings = {"limit_s": limit_s}
    stage = bench.stage(_TITLE, _TRIALS, artifacts, settings)
    make = partial(_tried, bench, artifacts, limit_s)
    return kept(bench.store, stage, make, bench.progress)


def _tried(
    bench: BenchRunner, artifacts: Sequence[Artifact], limit_s: float
) -> list[RuntimeOptionsTried]:
    """The trials of each artifact, and the options that gain."""
    started = time.monotonic()
    notes: list[RuntimeOptionsTried] = []
    with bench.progress.step(_TITLE) as step:
        for number, artifact in enumerate(artifacts):
            step.update(number, len(artifacts), artifact.name)
            left_s = limit_s - (time.monotonic() - started)
            trials = _trials(bench, artifact, left_s)
            notes.append(
                RuntimeOptionsTried(
                    artifact=artifact.name,
                    trials=tuple(trials),
                    kept=_gaining(trials),
                    limit_s=limit_s,
                )
            )
    return notes


def _alternatives(artifact: Artifact, threads: int) -> list[RuntimeOptions]:
    runtime = registry.get(artifact.runtime)
    options = list(runtime.options)
    if threads > 1:
        options += runtime.options_with_threads
    fewer = sorted({1, threads // 2} - {0, threads})
    return [
        *(RuntimeOptions(options=each) for each in options),
        *(RuntimeOptions(threads=count) for count in fewer),
    ]


def _trials(
    bench: BenchRunner, artifact: Artifact, limit_s: float
) -> list[OptionTrial]:
    """Time of each alternative over the default's, turn by turn; empty where time is up first."""
    alternatives = _alternatives(artifact, bench.threads)
    started = time.monotonic()
    ratios: list[list[float | None]] = [[] for _ in alternatives]
    for turn in range(TURNS):
        default = _time(bench, artifact, RuntimeOptions(), turn)
        for settings, each in zip(alternatives, ratios, strict=True):
            if default is None or time.monotonic() - started > limit_s:
                return []
            taken = _time(bench, artifact, settings, turn)
            each.append(None if taken is None else taken / default)
    return [
        OptionTrial(
            options=options,
            time_ratios=() if None in each else tuple(filter(None, each)),
        )
        for options, each in zip(alternatives, ratios, strict=True)
    ]


def _time(
    bench: BenchRunner, artifact: Artifact, settings: RuntimeOptions, turn: int
) -> float | None:
    """Microseconds in a fresh process; `None` where the runtime refuses these settings."""
    task = jobs.microbenchmark(
        artifact.runtime,
        artifact.files[:1],
        threads=settings.threads or bench.threads,
        companions=artifact.files[1:],
        options=settings.options,
        seed=turn,
    )
    [row] = bench.device.run(task, timeout_s=_START_S)["results"]
    return None if row["us"] is None else float(row["us"])


def _gaining(trials: Sequence[OptionTrial]) -> RuntimeOptions:
    """The options whose slowest turn took least, where that surely gains; else the defaults."""
    slowest = [(max(one.time_ratios), one.options) for one in trials if one.time_ratios]
    ratio, best = min(slowest, key=lambda each: each[0], default=(math.inf, None))
    return best if best is not None and ratio < GAIN else RuntimeOptions()
