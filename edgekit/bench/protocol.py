"""How artefacts are timed against each other: fresh processes, launched in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.bench.statistics import latency
from edgekit.devices import Device
from edgekit.errors import UsageError
from edgekit.types import Artifact, Energy, Latency, Measurement

_LOAD_ALLOWANCE_S = 120.0
"""For starting Python, importing the runtime, loading the model and its first inference."""


@dataclass(frozen=True, kw_only=True)
class Tier:
    """How much proof is bought; each launch warms up to a plateau and times at least this."""

    launches: int
    warmup_min_runs: int = 10
    warmup_min_s: float = 2.0
    warmup_max_s: float = 30.0
    min_runs: int = 100
    min_s: float = 10.0
    max_s: float = 60.0
    cooldown_s: float = 60.0
    """Pause between two rounds, in which every artefact was launched once."""
    max_launch_cv: float = 0.05
    """The medians of the launches may vary this much; beyond, the figure is not to be quoted."""


TIERS: Mapping[str, Tier] = {
    "quick": Tier(
        launches=3,
        warmup_min_s=0.3,
        warmup_max_s=3.0,
        min_s=1.0,
        max_s=10.0,
        cooldown_s=0.0,
        max_launch_cv=0.10,
    ),
    "default": Tier(launches=5),
    "report": Tier(launches=5, min_runs=205, min_s=12.0, cooldown_s=300.0),
}


def measure(
    artifacts: Sequence[Artifact],
    device: Device,
    *,
    tier: str,
    threads: int,
    on_launch: Callable[[int, int], None] | None = None,
) -> dict[str, Measurement]:
    """A measurement of each artefact by its name, all from one interleaved run.

    Round by round every artefact is launched once, in alternating order (A B C, C B A, ...), so
    that ratios between them are of one time and place. `on_launch(done, all)` reports progress.
    """
    plan = _tier(tier)
    _distinct(artifacts)
    results: dict[str, list[Mapping[str, Any]]] = {one.name: [] for one in artifacts}
    done, total = 0, plan.launches * len(artifacts)
    for turn in range(plan.launches):
        if turn and plan.cooldown_s:
            time.sleep(plan.cooldown_s)
        for artifact in artifacts if turn % 2 == 0 else reversed(artifacts):
            job = bench_job(artifact, plan, threads=threads, seed=turn)
            limit_s = plan.warmup_max_s + plan.max_s + _LOAD_ALLOWANCE_S
            results[artifact.name].append(device.run(job, timeout_s=limit_s))
            done += 1
            if on_launch:
                on_launch(done, total)
    return {
        one.name: summarise(one, results[one.name], device=device, plan=plan)
        for one in artifacts
    }


def bench_job(
    artifact: Artifact, plan: Tier, *, threads: int, seed: int
) -> dict[str, Any]:
    """One launch of `artifact`, as the agent reads it."""
    return {
        "kind": "bench",
        "runtime": artifact.runtime,
        "path": str(artifact.files[0].resolve()),
        "companions": [str(file.resolve()) for file in artifact.files[1:]],
        "threads": threads,
        "warmup_min_runs": plan.warmup_min_runs,
        "warmup_min_s": plan.warmup_min_s,
        "warmup_max_s": plan.warmup_max_s,
        "min_runs": plan.min_runs,
        "min_s": plan.min_s,
        "max_s": plan.max_s,
        "seed": seed,
        "inputs": None,
        "energy": "auto",
    }


def summarise(
    artifact: Artifact,
    launches: Sequence[Mapping[str, Any]],
    *,
    device: Device,
    plan: Tier,
) -> Measurement:
    """The launches of one artefact as one measurement, with the reason where it is invalid."""
    figures = latency([one["samples_ns"] for one in launches])
    peaks = [one["peak_memory_mb"] for one in launches]
    return Measurement(
        artifact=artifact.name,
        device=device.name,
        source=device.source,
        runtime=artifact.runtime,
        runtime_version=launches[0]["runtime_version"],
        threads=launches[0]["threads"],
        latency=figures,
        load_ms=statistics.median(one["load_ms"] for one in launches),
        first_ms=statistics.median(one["first_ms"] for one in launches),
        peak_memory_mb=None if None in peaks else max(peaks),
        size_mb=artifact.size_mb,
        energy=_energy([one["energy"] for one in launches]),
        invalid=_invalid(figures, launches, plan),
    )


def _invalid(
    figures: Latency, launches: Sequence[Mapping[str, Any]], plan: Tier
) -> str | None:
    reasons = []
    evidence = [
        one["machine"]["emulation_evidence"]
        for one in launches
        if one["machine"]["emulated"]
    ]
    if evidence:
        reasons.append(f"the device is emulated ({evidence[0]}): no milliseconds hold")
    cut = sum(not one["complete"] for one in launches)
    if cut:
        reasons.append(
            f"{cut} of {len(launches)} launches timed fewer than {plan.min_runs} "
            f"inferences in {plan.max_s:g} s"
        )
    restless = sum(not one["warmup"]["plateau"] for one in launches)
    if restless == len(launches):
        reasons.append(
            f"no launch reached a plateau in {plan.warmup_max_s:g} s of warm-up"
        )
    if figures.launch_cv is not None and figures.launch_cv > plan.max_launch_cv:
        reasons.append(
            f"the launches' medians vary by {figures.launch_cv:.0%}, more than "
            f"{plan.max_launch_cv:.0%}: a busy machine, or where memory happened to lie"
        )
    return "; ".join(reasons) or None


def _energy(launches: Sequence[Mapping[str, Any]]) -> Energy:
    """Mean over launches; without a figure from each of them there is none."""
    figures = [one["gross_mj"] for one in launches]
    if None in figures:
        reason = next(one["reason"] for one in launches if one["gross_mj"] is None)
        return Energy(reason=reason)
    return Energy(
        gross_mj=statistics.fmean(figures),
        method=launches[0]["method"],
        boundary=launches[0]["boundary"],
        reason="Net of idle is not known: idle power was not metered.",
    )


def _tier(name: str) -> Tier:
    if name not in TIERS:
        raise UsageError(f"No benchmark tier {name!r}. Known: {', '.join(TIERS)}.")
    return TIERS[name]


def _distinct(artifacts: Sequence[Artifact]) -> None:
    names = [one.name for one in artifacts]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(
            f"Two artefacts are called {twice[0]!r}. Give each its own name."
        )
