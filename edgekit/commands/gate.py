"""`edgekit gate`: may this artefact replace the one of the baseline?"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from edgekit.commands.console import Bars, Json, Quiet, err_console, out_console, plain
from edgekit.errors import BudgetError, MeasurementError, UsageError
from edgekit.types import Artifact, Budget


def gate(  # noqa: PLR0913 - one parameter an option
    candidate: Annotated[
        Path, typer.Argument(help="A .tflite, .onnx or .xml file, or a report.json.")
    ],
    baseline: Annotated[
        Path,
        typer.Option(help="What it must not fall behind: bench --out, or report.json."),
    ],
    device: Annotated[
        str | None,
        typer.Option(
            "--device",
            "-d",
            help="Gate latency and energy too, on this device.",
            show_default="facts only",
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(help="The baseline's artefact, to take turns with on the device."),
    ] = None,
    size_mb: Annotated[float | None, typer.Option(help="Budget: MB of files.")] = None,
    latency_ms: Annotated[
        float | None, typer.Option(help="Budget: p50 on the device.")
    ] = None,
    memory_mb: Annotated[
        float | None, typer.Option(help="Budget: peak memory on the device.")
    ] = None,
    energy_mj: Annotated[
        float | None, typer.Option(help="Budget: gross energy on the device.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    tier: Annotated[str, typer.Option()] = "quick",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Pass, fail or inconclusive: budgets, and no regression against a baseline.

    Facts (bytes, operations, weights, operators off the fast path, accuracy) decide on every
    machine. Latency and energy decide only on a named device, and latency only with the
    baseline's artefact at hand: the two take turns there. Exit codes: 0 pass, 1 fail, 4
    inconclusive.

        edgekit gate new.tflite --baseline baseline.json
        edgekit gate new.tflite --baseline baseline.json -d ssh://pi@board --against old.tflite
    """
    from edgekit.bench import gate as rules
    from edgekit.bench import history

    before = history.read(baseline)
    budget = Budget(
        size_mb=size_mb,
        latency_ms=latency_ms,
        memory_mb=memory_mb,
        energy_mj=energy_mj,
    )
    on_device = [latency_ms, memory_mb, energy_mj, against]
    if device is None and any(value is not None for value in on_device):
        raise UsageError(
            "Latency, memory and energy only gate on a device that is named: add --device."
        )
    bars = Bars(err_console, silent=quiet)
    asked = _Asked(device, against, threads, tier, energy=energy_mj is not None)
    now, checks = _look(candidate, before, asked, bars)
    checks = [
        *rules.facts(now, before),
        *rules.budgets(now, budget, on_device=device is not None),
        *checks,
    ]
    verdict = rules.verdict(checks)
    if as_json:
        print(json.dumps({"verdict": verdict, "checks": plain(checks)}, indent=2))
    elif not quiet:
        _show(checks)
    _conclude(verdict, checks)


class _Asked:
    def __init__(
        self,
        device: str | None,
        against: Path | None,
        threads: int,
        tier: str,
        *,
        energy: bool,
    ) -> None:
        self.device, self.against = device, against
        self.threads, self.tier, self.energy = threads, tier, energy


def _look(
    candidate: Path, before: Any, asked: _Asked, bars: Bars
) -> tuple[Any, list[Any]]:
    """The candidate as a record, and the checks that only a device can make."""
    from edgekit.bench import history
    from edgekit.bench.artifact import artifact_at

    if candidate.suffix in (".json", ".jsonl"):
        if asked.device:
            raise UsageError(
                f"{candidate} is a record: name an artefact to measure it."
            )
        return history.read(candidate), []
    artifact = artifact_at(candidate)
    if asked.device is None:
        return _unmeasured(artifact, before), []
    return _on_device(artifact, before, asked, bars)


def _unmeasured(artifact: Artifact, before: Any) -> Any:
    """What is known of a file without running it: its bytes."""
    measurement = replace(
        before.measurement, artifact=artifact.name, size_mb=artifact.size_mb
    )
    return replace(
        before,
        name=artifact.name,
        size_bytes=artifact.size_bytes,
        measurement=measurement,
        evaluation=None,
        macs=None,
        parameters=None,
        slow_operators=None,
    )


def _on_device(
    artifact: Artifact, before: Any, asked: _Asked, bars: Bars
) -> tuple[Any, list[Any]]:
    from edgekit.bench import gate as rules
    from edgekit.bench import history, paired
    from edgekit.bench.artifact import artifact_at
    from edgekit.bench.profile import profile
    from edgekit.bench.protocol import Metering, measure
    from edgekit.devices.resolve import attached

    checks: list[Any] = []
    wants_energy = asked.energy or before.measurement.energy.gross_mj is not None
    with attached(str(asked.device)) as there:
        with bars.step(f"Measure {artifact.name} on {there.name}") as step:
            measured = measure(
                [artifact],
                there,
                tier=asked.tier,
                threads=asked.threads,
                on_launch=step.update,
                metering=Metering(meter="auto" if wants_energy else "none"),
            )[artifact.name]
        slow = None
        if before.slow_operators is not None:
            rows = profile(artifact, there, threads=asked.threads).operators
            slow = sum(one.fast is False for one in rows)
        if asked.against:
            old = artifact_at(asked.against)
            _same(old, before)
            old = replace(old, name=f"{old.name} (baseline)")
            with bars.step(f"Against {asked.against.name}") as step:
                found = paired.compare(
                    artifact,
                    old,
                    there,
                    tier=asked.tier,
                    threads=asked.threads,
                    on_launch=step.update,
                )
            checks.append(rules.latency(found))
    made = history.document(artifact, measured, tier=asked.tier, slow_operators=slow)
    now = history.of_document(made)
    energy = rules.energy(now, before)
    return now, [*checks, *([energy] if energy else [])]


def _same(old: Artifact, before: Any) -> None:
    from edgekit.bench.history import sha256

    if before.sha256 and sha256(old) != before.sha256:
        raise UsageError(
            f"{old.files[0]} is not the artefact of the baseline ({before.name}): its content "
            "differs. Name the file that the baseline was measured with."
        )


def _show(checks: list[Any]) -> None:
    table = Table(box=None)
    for heading in ("check", "verdict", "why"):
        table.add_column(heading)
    colours = {"pass": "green", "fail": "red", "inconclusive": "yellow"}
    for one in checks:
        colour = colours[one.verdict]
        table.add_row(one.name, f"[{colour}]{one.verdict}[/]", escape(one.why))
    out_console.print(table)


def _conclude(verdict: str, checks: list[Any]) -> None:
    lines = "; ".join(f"{c.name}: {c.why}" for c in checks if c.verdict == verdict)
    if not checks:
        raise MeasurementError(
            "Nothing could be gated: the baseline and the candidate share no fact. Set a "
            "budget, or name a device."
        )
    if verdict == "fail":
        raise BudgetError(f"The gate fails: {lines}.")
    if verdict == "inconclusive":
        raise MeasurementError(f"The gate is inconclusive: {lines}.")
