"""Files timed beside each other on a device, and what they lose against the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgekit.api.artifacts import evaluate
from edgekit.api.datasets import Data
from edgekit.api.metrics import Score
from edgekit.api.networks import Network
from edgekit.bench.protocol import measure
from edgekit.bench.statistics import speedup
from edgekit.devices.resolve import attached
from edgekit.errors import UsageError
from edgekit.export.workers import Variant, export_all
from edgekit.progress import Logged, Progress
from edgekit.runtimes import registry
from edgekit.scratch import folder as scratch_folder
from edgekit.types import Artifact, Evaluation, Measurement


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One file: how fast it is, and where they were asked for, how much faster and how good."""

    artifact: Artifact
    measurement: Measurement
    """Latency in milliseconds, peak memory and size in MiB, and where they were measured."""
    speedup: float | None
    """Against the baseline in fp32 on the same runtime, in the same run."""
    evaluation: Evaluation | None
    accuracy_drop: float | None
    """Of the metric against the baseline: in its own unit where it goes from 0 to 1, else as a
    fraction of the baseline's value."""


def benchmark(  # noqa: PLR0913
    files: Sequence[Artifact],
    *,
    baseline: Network | None = None,
    data: Data | None = None,
    metric: Score | str | None = None,
    device: str = "local",
    tier: str = "quick",
    threads: int = 1,
    progress: Progress | None = None,
) -> tuple[Benchmark, ...]:
    """Time files in fresh processes, launched in turns, on the device at the address `device`.

    `baseline` is exported in fp32 for each runtime of the files and timed among them. With `data`
    each file is evaluated on the test samples, too. `tier` is `quick`, `default`, `report` or
    `sustained`. Raises `DeviceError` where the device cannot be reached or lacks a runtime,
    `MeasurementError` where the tier refuses the state that it is in, `UsageError` without files
    or for one that is converted and not run.
    """
    if not files:
        raise UsageError(
            "There are no files to benchmark. Export some: edgekit.export."
        )
    for one in files:
        registry.refuse_converted(one.runtime)
    shown = progress or Logged()
    runtimes = list(dict.fromkeys(one.runtime for one in files))
    with scratch_folder() as scratch:
        baselines: list[Artifact] = []
        if baseline is not None:
            variants: list[Variant] = [(name, "fp32") for name in runtimes]
            with shown.step("Export the baseline"):
                made = export_all(
                    baseline.program, variants, calibration=None, folder=Path(scratch)
                )
            baselines = [replace(one, name=f"baseline-{one.name}") for one in made]
        with (
            attached(device, runtimes=runtimes) as there,
            shown.step("Measure on the runtime") as step,
        ):
            measured = measure(
                [*baselines, *files],
                there,
                tier=tier,
                threads=threads,
                on_launch=step.update,
            )
    by_runtime = {one.runtime: measured[one.name] for one in baselines}
    found = {}
    reference = None
    if data is not None:
        found = dict(evaluate(list(files), data, metric=metric, device=device))
        reference = evaluate(baseline, data, metric=metric) if baseline else None
    return tuple(
        Benchmark(
            artifact=one,
            measurement=measured[one.name],
            speedup=speedup(by_runtime[one.runtime], measured[one.name])
            if one.runtime in by_runtime
            else None,
            evaluation=found.get(one.name),
            accuracy_drop=_drop(reference, found.get(one.name)),
        )
        for one in files
    )


def _drop(reference: Evaluation | None, found: Evaluation | None) -> float | None:
    if reference is None or found is None:
        return None
    return reference.drop(found, relative=not reference.is_fraction)
