"""Timing of artifacts against each other: fresh processes, launched in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from edgekit.agent.schema import BenchJob, BenchSettings
from edgekit.bench import conditions, energy
from edgekit.bench.statistics import latency
from edgekit.bench.tiers import Tier, tier_called
from edgekit.devices import Device, jobs
from edgekit.errors import UsageError
from edgekit.types import Artifact, Energy, Latency, Measurement, Target
from edgekit.types.measurement_notes import (
    EnergyNotRequested,
    LaunchesCut,
    LaunchesVary,
    MeasurementFault,
    NoPlateau,
    NotTimed,
)

_NO_ENERGY = Energy(reasons=(EnergyNotRequested(),))
_LOAD_ALLOWANCE_S = 120.0
"""For starting Python, importing the runtime, loading the model and its first inference."""
OnLaunch = Callable[[int, int, str], None]
"""Launches done, all launches, and what goes on now."""


@dataclass(frozen=True, kw_only=True)
class Metering:
    """True where and how energy is measured after the latencies; by default it is not."""

    meter: str = "none"
    options: Mapping[str, Any] | None = None
    model_of: Target | None = None
    """The profile whose published watts energy is modeled from, where that was asked for."""


def measure(
    artifacts: Sequence[Artifact],
    device: Device,
    *,
    tier: str | Tier,
    threads: int,
    on_launch: OnLaunch | None = None,
    metering: Metering | None = None,
) -> dict[str, Measurement]:
    """A measurement of each artifact by its name, all from one interleaved run.

    Round by round every artifact is launched once, in alternating order (A B C, C B A, ...), so
    that ratios between them are of one time and place. `on_launch` reports progress.
    `metering` measures energy afterwards.
    Raises MeasurementError where the tier refuses the state that the device is in.
    """
    plan = tier_called(tier)
    _distinct(artifacts)
    progress = LaunchProgress(on_launch, plan.launches * len(artifacts))
    if plan.strict and not plan.forced:
        progress.now("look at the device")
        conditions.refuse_unready(device.probe(), device.name)
    results: dict[str, list[Mapping[str, Any]]] = {one.name: [] for one in artifacts}
    for turn in range(plan.launches):
        if turn:
            cool_down(plan, progress)
        for artifact in artifacts if turn % 2 == 0 else reversed(artifacts):
            progress.now(artifact.name)
            results[artifact.name].append(
                launch(artifact, device, plan, threads=threads, seed=turn)
            )
            progress.launched()
    energies = meter(results, artifacts, device, plan, metering or Metering(), progress)
    return {
        one.name: summarize(
            one,
            results[one.name],
            device=device,
            plan=plan,
            energy=energies[one.name],
        )
        for one in artifacts
    }


class LaunchProgress:
    """Progress of the launches, for display."""

    def __init__(self, on_launch: OnLaunch | None, total: int) -> None:
        self._tell = on_launch or (lambda done, total, now: None)
        self._done, self.total = 0, total

    def launched(self) -> None:
        """Count one finished launch."""
        self._done += 1
        self.now("")

    def now(self, what: str) -> None:
        """Report the current activity."""
        self._tell(self._done, self.total, what)


def cool_down(plan: Tier, progress: LaunchProgress) -> None:
    """The pause of the tier, so that every launch meets the same device."""
    if plan.cooldown_s:
        progress.now(f"cooling down for {plan.cooldown_s:g} s")
        time.sleep(plan.cooldown_s)


def launch(
    artifact: Artifact, device: Device, plan: Tier, *, threads: int, seed: int
) -> Mapping[str, Any]:
    """The result of one fresh process."""
    job = bench_job(artifact, plan, threads=threads, seed=seed)
    limit_s = plan.warmup_max_s + plan.max_s + _LOAD_ALLOWANCE_S
    return device.run(job, timeout_s=limit_s)


def bench_job(artifact: Artifact, plan: Tier, *, threads: int, seed: int) -> BenchJob:
    """One launch of `artifact`, as the tier has it."""
    settings: BenchSettings = {
        "warmup_min_runs": plan.warmup_min_runs,
        "warmup_min_s": plan.warmup_min_s,
        "warmup_max_s": plan.warmup_max_s,
        "min_runs": plan.min_runs,
        "min_s": plan.min_s,
        "max_s": plan.max_s,
        "seed": seed,
        "inputs": None,
    }
    if plan.trace_s is not None:
        settings["trace_s"] = plan.trace_s
    return jobs.bench(artifact, threads=threads, **settings)


def summarize(
    artifact: Artifact,
    launches: Sequence[Mapping[str, Any]],
    *,
    device: Device,
    plan: Tier,
    energy: Energy | None = None,
) -> Measurement:
    """The launches of one artifact as one measurement, with the reasons where it is invalid."""
    figures = latency(launches, sustained=plan.trace_s is not None)
    counted = _median(
        [
            one["instructions"]["per_inference"]
            for one in launches
            if one["instructions"]
        ]
    )
    return Measurement(
        artifact=artifact.name,
        device=device.name,
        provenance="counted" if counted is not None else device.provenance,
        runtime=artifact.runtime,
        runtime_version=launches[0]["runtime_version"],
        threads=launches[0]["threads"],
        latency=figures,
        load_ms=_median([one["load_ms"] for one in launches]),
        first_ms=_median([one["first_ms"] for one in launches]),
        peak_memory_mb=_all([one["peak_memory_mb"] for one in launches], max),
        size_mb=artifact.size_mb,
        energy=energy or _NO_ENERGY,
        invalid=_invalid(figures, launches, plan),
        conditions=conditions.summarize(launches),
        instructions=counted,
        taken=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _invalid(
    figures: Latency, launches: Sequence[Mapping[str, Any]], plan: Tier
) -> tuple[MeasurementFault, ...]:
    refused = next((one["refused"] for one in launches if one["refused"]), None)
    if refused:
        return (NotTimed(detail=refused),)
    found = conditions.faults(launches)
    if plan.forced:
        found += conditions.unready_at_start(launches)
    cut = sum(not one["complete"] for one in launches)
    if cut:
        found.append(
            LaunchesCut(
                cut=cut,
                launches=len(launches),
                min_runs=plan.min_runs,
                max_s=plan.max_s,
            )
        )
    if all(one["warmup"]["plateau"] is False for one in launches):
        found.append(NoPlateau(warmup_s=plan.warmup_max_s))
    if figures.launch_cv is not None and figures.launch_cv > plan.max_launch_cv:
        found.append(LaunchesVary(cv=figures.launch_cv, limit=plan.max_launch_cv))
    return tuple(found)


def meter(
    launches: Mapping[str, Sequence[Mapping[str, Any]]],
    artifacts: Sequence[Artifact],
    device: Device,
    plan: Tier,
    metering: Metering,
    progress: LaunchProgress,
) -> dict[str, Energy]:
    """Energy of each artifact in a run of its own: latencies are taken with no meter read."""
    if metering.model_of:
        target = metering.model_of
        return {name: energy.modeled(target, each) for name, each in launches.items()}
    absent = _NO_ENERGY
    found: dict[str, Energy] = {}
    for artifact in artifacts:
        if metering.meter != "none" and (not found or absent.gross_mj is not None):
            progress.now(f"energy of {artifact.name}")
            job = jobs.energy(
                artifact,
                threads=launches[artifact.name][0]["threads"],
                meter=metering.meter,
                meter_options=dict(metering.options or {}),
                windows=plan.windows,
                window_s=plan.window_s,
                idle_s=plan.idle_s,
            )
            limit_s = _LOAD_ALLOWANCE_S + 2 * plan.idle_s
            limit_s += (plan.windows + 2) * plan.window_s * 2
            absent = energy.summarize(device.run(job, timeout_s=limit_s))
        found[artifact.name] = absent  # without a meter every artifact lacks it alike
    progress.now("")
    return found


def _median(values: Sequence[float | None]) -> float | None:
    return _all(values, statistics.median)


def _all(
    values: Sequence[float | None], fold: Callable[[list[float]], float]
) -> float | None:
    """Nothing where there are no values, or where one is missing."""
    known = [value for value in values if value is not None]
    return fold(known) if known and len(known) == len(values) else None


def _distinct(artifacts: Sequence[Artifact]) -> None:
    names = [one.name for one in artifacts]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(
            f"Two artifacts are called {twice[0]!r}. Give each its own name."
        )
