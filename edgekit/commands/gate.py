"""`edgekit gate`: may this artifact replace the one of the baseline?"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from edgekit.commands import bench_words as words
from edgekit.commands.console import Bars, Json, Quiet, err_console, out_console, plain
from edgekit.errors import BudgetError, MeasurementError, UsageError
from edgekit.store import Store
from edgekit.types import Budget, Check

if TYPE_CHECKING:
    from edgekit.bench.history import Record
    from edgekit.commands.measuring import Asked, Found


def gate(  # noqa: PLR0913 - one parameter an option
    candidate: Annotated[
        Path, typer.Argument(help="A .tflite, .onnx or .xml file, or a report.json.")
    ],
    baseline: Annotated[
        Path,
        typer.Option(help="The reference: a file of bench --out, or report.json."),
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
        typer.Option(help="The baseline's artifact, to take turns with on the device."),
    ] = None,
    growth: Annotated[
        float, typer.Option(min=0, help="Share by which bytes and weights may grow.")
    ] = 0.0,
    accuracy_drop: Annotated[
        float, typer.Option(min=0, help="Allowed loss of accuracy, 0.01 for a point.")
    ] = 0.0,
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
    tier: Annotated[
        str, typer.Option(help="quick, default, report or sustained.")
    ] = "quick",
    history: Annotated[
        Path | None,
        typer.Option(
            help="File that gets a line.", show_default="history.jsonl in the cache"
        ),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Pass, fail or inconclusive: budgets, and no regression against a baseline.

    Facts (bytes, operations, weights, operators off the fast path, accuracy) decide on every
    machine. Latency and energy decide only on a named device, and latency only with the
    baseline's artifact at hand, where it was measured or --against: the two take turns. Exit
    codes: 0 pass, 1 fail, 4 inconclusive.

        edgekit gate new.tflite --baseline baseline.json
        edgekit gate new.tflite --baseline baseline.json -d ssh://pi@board --against old.tflite
    """
    from edgekit.bench import gate as rules
    from edgekit.bench import history as records
    from edgekit.bench.artifact import artifact_at, opened
    from edgekit.commands.measuring import measure_at

    before = records.read(baseline)
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
    now = _known(candidate, before)
    if now.files and all(file.is_file() for file in now.files):
        opened(artifact_at(now.files[0]))
    checks: list[Check] = []
    if device:
        asked = _asked(now, before, against, budget, threads, tier)
        bars = Bars(err_console, silent=quiet)
        found = measure_at(asked, device, bars)
        if found.unprofiled:
            raise found.unprofiled
        entry = words.record(asked, found)
        measured = records.of_document(entry)
        now = replace(
            measured,
            evaluation=now.evaluation,
            macs=now.macs,
            parameters=now.parameters,
        )
        checks = _on_device(found, now, before, budget)
    checks = [
        *rules.facts(now, before, growth=growth, accuracy_drop=accuracy_drop),
        *rules.budgets(now, budget, on_device=device is not None),
        *checks,
    ]
    verdict = rules.verdict(checks)
    if as_json:
        print(json.dumps({"verdict": verdict, "checks": plain(checks)}, indent=2))
    elif not quiet:
        _show(checks)
    if device:
        records.append(history or Store().root / records.FILE, entry)
    _conclude(verdict, checks)


def _known(candidate: Path, before: Record) -> Record:
    """Facts of the candidate without running it: a record's, or a file's bytes."""
    from edgekit.bench import history
    from edgekit.bench.artifact import artifact_at

    if candidate.suffix in (".json", ".jsonl"):
        return history.read(candidate)
    artifact = artifact_at(candidate)
    measurement = replace(
        before.measurement, artifact=artifact.name, size_mb=artifact.size_mb
    )
    return replace(
        before,
        name=artifact.name,
        sha256=None,
        size_bytes=artifact.size_bytes,
        measurement=measurement,
        evaluation=None,
        macs=None,
        parameters=None,
        slow_operators=None,
        files=artifact.files,
    )


def _asked(
    now: Record,
    before: Record,
    against: Path | None,
    budget: Budget,
    threads: int,
    tier: str,
) -> Asked:
    """The checks on the device; raises UsageError where an artifact has changed since its
    record."""
    from edgekit.bench.artifact import artifact_at
    from edgekit.bench.history import sha256
    from edgekit.bench.protocol import Metering
    from edgekit.bench.tiers import tier_called
    from edgekit.commands.measuring import Asked

    if not now.there:
        raise UsageError(
            f"The artifact of {now.name} is not where it was measured, or has changed. Name "
            "the file itself to measure it."
        )
    old = None
    if against:
        old = artifact_at(against)
        if before.sha256 and sha256(old.files) != before.sha256:
            raise UsageError(
                f"{against} is not the artifact of the baseline ({before.name}): its content "
                "differs. Name the file that the baseline was measured with."
            )
    elif before.there:
        old = artifact_at(before.files[0])
    if old:
        old = replace(old, name=f"{old.name} (baseline)")
    energy = budget.energy_mj is not None
    wants_energy = energy or before.measurement.energy.gross_mj is not None
    return Asked(
        artifact=artifact_at(now.files[0]),
        other=old,
        threads=threads,
        tier=tier_called(tier),
        metering=Metering(meter="auto" if wants_energy else "none"),
        profile=before.slow_operators is not None,
    )


def _on_device(
    found: Found, now: Record, before: Record, budget: Budget
) -> list[Check]:
    """Checks that only a device can make; the baseline measured in the same run goes first."""
    from edgekit.bench import gate as rules

    checks: list[Check | None] = []
    if found.paired:
        checks.append(rules.latency(found.paired))
        theirs = found.paired.measurements[1]
        if theirs.energy.gross_mj is not None:
            before = replace(before, measurement=theirs)
    elif budget.latency_ms is None:
        checks.append(rules.unpaired(before))
    checks.append(rules.energy(now, before))
    return [one for one in checks if one]


def _show(checks: list[Check]) -> None:
    from edgekit.report import measurement_words

    table = Table(box=None)
    for heading in ("check", "verdict", "why"):
        table.add_column(heading)
    colors = {"pass": "green", "fail": "red", "inconclusive": "yellow"}
    for one in checks:
        color = colors[one.verdict]
        table.add_row(
            one.name, f"[{color}]{one.verdict}[/]", escape(measurement_words.check(one))
        )
    out_console.print(table)


def _conclude(verdict: str, checks: list[Check]) -> None:
    from edgekit.report import measurement_words

    lines = "; ".join(
        f"{c.name}: {measurement_words.check(c)}"
        for c in checks
        if c.verdict == verdict
    )
    if not checks:
        raise MeasurementError(
            "Nothing could be gated: the baseline and the candidate share no fact. Set a "
            "budget, or name a device."
        )
    if verdict == "fail":
        raise BudgetError(f"The gate fails: {lines}.")
    if verdict == "inconclusive":
        raise MeasurementError(f"The gate is inconclusive: {lines}.")
