"""The runtime's own settings: tried on the best candidates, kept where they surely gain."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from edgekit.bench.verdict import choose
from edgekit.devices import jobs
from edgekit.pipeline.context import BuildData, Job
from edgekit.pipeline.evaluate import Benchmark, benchmark, evaluate_artifacts
from edgekit.program.program import Program
from edgekit.runtimes import registry
from edgekit.types import Artifact, Candidate, RuntimeOptions
from edgekit.types.export_notes import OptionTrial, RuntimeOptionsTried

BEST = 2
"""Candidates whose settings are tried."""
TURNS = 3
GAIN = 0.97
"""A setting is kept where every turn of it took less than this share of the default's time."""
_START_S = 120.0


def tune_runtime_options(
    job: Job,
    behind: Callable[[Candidate], Program],
    proof: Benchmark,
    baselines: Sequence[Artifact],
    samples: BuildData,
) -> Benchmark:
    """The same with the settings that gain, proved with them anew; notes say what was tried.

    `behind` tells the network that a candidate was exported from.

    No more than `[recipe.bench] settings_s` is spent on trying.
    """
    best = _best(job, proof)
    if not best or not job.project.recipe.bench.settings_s:
        return proof
    found, notes = _tried(job, [candidate.artifact for candidate in best])
    proof = replace(proof, notes=(*proof.notes, *notes))
    if all(settings == RuntimeOptions() for settings in found.values()):
        return proof
    tuned = [
        replace(
            one,
            unchanged=one.artifact.name in proof.unchanged
            and one.artifact.settings == RuntimeOptions(),
        )
        for c in best
        for one in evaluate_artifacts(
            job,
            behind(c),
            proof.reference,
            [replace(c.artifact, settings=found[c.artifact.name])],
            samples,
        )
    ]
    runtimes = {one.artifact.runtime for one in tuned}
    beside = [baseline for baseline in baselines if baseline.runtime in runtimes]
    again = benchmark(job, proof.reference, tuned, beside)
    anew = {candidate.artifact.name: candidate for candidate in again.candidates}
    merged = [anew.get(c.artifact.name, c) for c in proof.candidates]
    preferred = None if job.proven else proof.candidates[0].artifact.runtime
    chosen = choose(merged, job.project.budget, preferred, job.project.priority)
    return replace(proof, candidates=chosen)


def _best(job: Job, proof: Benchmark) -> list[Candidate]:
    """The fastest that keep the accuracy budget, of the runtimes that may win."""
    limit = job.project.budget.accuracy_drop
    timed = [
        candidate
        for candidate in proof.candidates
        if candidate.measurement.latency.p50_ms is not None
        and (limit is None or candidate.keeps(limit))
        and (job.proven or candidate.artifact.runtime == proof.chosen.artifact.runtime)
    ]
    return sorted(timed, key=lambda c: c.measurement.latency.p50_ms or 0.0)[:BEST]


def _tried(
    job: Job, artifacts: Sequence[Artifact]
) -> tuple[dict[str, RuntimeOptions], list[RuntimeOptionsTried]]:
    """The settings that gain for each artifact, and what was tried."""
    limit_s = job.project.recipe.bench.settings_s
    started = time.monotonic()
    found: dict[str, RuntimeOptions] = {}
    notes: list[RuntimeOptionsTried] = []
    with job.progress.step("Try the runtime's settings") as step:
        for number, artifact in enumerate(artifacts):
            step.update(number, len(artifacts), artifact.name)
            left_s = limit_s - (time.monotonic() - started)
            trials = _trials(job, artifact, left_s)
            found[artifact.name] = _gaining(trials)
            notes.append(
                RuntimeOptionsTried(
                    artifact=artifact.name,
                    trials=tuple(trials),
                    kept=found[artifact.name],
                    limit_s=limit_s,
                )
            )
    return found, notes


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


def _trials(job: Job, artifact: Artifact, limit_s: float) -> list[OptionTrial]:
    """Time of each alternative over the default's, turn by turn; empty where time is up first."""
    alternatives = _alternatives(artifact, job.threads)
    started = time.monotonic()
    ratios: list[list[float | None]] = [[] for _ in alternatives]
    for turn in range(TURNS):
        default = _time(job, artifact, RuntimeOptions(), turn)
        for settings, each in zip(alternatives, ratios, strict=True):
            if default is None or time.monotonic() - started > limit_s:
                return []
            taken = _time(job, artifact, settings, turn)
            each.append(None if taken is None else taken / default)
    return [
        OptionTrial(
            options=options,
            time_ratios=() if None in each else tuple(filter(None, each)),
        )
        for options, each in zip(alternatives, ratios, strict=True)
    ]


def _time(
    job: Job, artifact: Artifact, settings: RuntimeOptions, turn: int
) -> float | None:
    """Microseconds in a fresh process; `None` where the runtime refuses these settings."""
    task = jobs.micro(
        artifact.runtime,
        artifact.files[:1],
        threads=settings.threads or job.threads,
        companions=artifact.files[1:],
        options=settings.options,
        seed=turn,
    )
    [row] = job.device.run(task, timeout_s=_START_S)["results"]
    return None if row["us"] is None else float(row["us"])


def _gaining(trials: Sequence[OptionTrial]) -> RuntimeOptions:
    """The options whose slowest turn took least, where that surely gains; else the defaults."""
    slowest = [(max(one.time_ratios), one.options) for one in trials if one.time_ratios]
    ratio, best = min(slowest, key=lambda each: each[0], default=(math.inf, None))
    return best if best is not None and ratio < GAIN else RuntimeOptions()
