"""`edgekit gate`: may this artifact replace the one of the baseline?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from edgekit.commands.console import (
    Bars,
    Folder,
    Json,
    Quiet,
    err_console,
    out_console,
    plain,
)
from edgekit.errors import (
    BudgetError,
    GateUnproven,
    MeasurementError,
    OutputError,
    UsageError,
)
from edgekit.store import Store
from edgekit.types import Check


def gate(  # noqa: PLR0913 - one parameter an option
    candidate: Annotated[
        Path, typer.Argument(help="A .tflite, .onnx or .xml file, or a report.json.")
    ],
    baseline: Annotated[
        Path | None,
        typer.Option(
            help="The reference: a file of gate --out or bench --out, or report.json.",
            show_default="limits only",
        ),
    ] = None,
    folder: Folder = Path(),
    budgets: Annotated[
        Path | None,
        typer.Option(
            help="A TOML file with the keys of [gate].", show_default="edgekit.toml's"
        ),
    ] = None,
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
        float | None,
        typer.Option(min=0, help="Share by which bytes and weights may grow."),
    ] = None,
    accuracy_drop: Annotated[
        float | None,
        typer.Option(min=0, help="Allowed loss of accuracy, 0.01 for a point."),
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
    tier: Annotated[
        str, typer.Option(help="quick, default, report or sustained.")
    ] = "quick",
    history: Annotated[
        Path | None,
        typer.Option(
            help="File that gets a line.", show_default="history.jsonl in the cache"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write the facts here: the next baseline."),
    ] = None,
    junit: Annotated[
        Path | None, typer.Option(help="Write the checks as JUnit XML.")
    ] = None,
    summary: Annotated[
        Path | None,
        typer.Option(help="Append them in Markdown, for $GITHUB_STEP_SUMMARY."),
    ] = None,
    code_quality: Annotated[
        Path | None, typer.Option(help="Write them as GitLab's code quality.")
    ] = None,
    sarif: Annotated[
        Path | None, typer.Option(help="Write them as SARIF 2.1.0.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """May this artifact ship? Limits of [gate], and no regression against a baseline.

    Facts (bytes, operations, weights, peak activations, operators off the fast path, accuracy,
    parity with the network, the contract) decide on every machine. Latency, memory and energy
    decide only on a named device, and latency against a baseline only with its artifact at hand,
    where it was measured or --against: the two take turns. Exit codes: 0 pass, 1 fail,
    4 inconclusive, 6 unproven; 2 where the command, a file or the project cannot be used.

        edgekit gate build/pi/model.tflite --out baseline.json
        edgekit gate new.tflite --baseline baseline.json --junit gate.xml
        edgekit gate new.tflite --baseline baseline.json -d ssh://pi@board --against old.tflite
    """
    from edgekit.bench import history as records
    from edgekit.bench.gate import verdict as worst
    from edgekit.commands.gating import Gating, limits_of
    from edgekit.report import gate_forms as forms

    if device is None and any(
        one is not None for one in (latency_ms, memory_mb, energy_mj, against)
    ):
        raise UsageError(
            "Latency, memory and energy only gate on a device that is named: add --device."
        )
    given = {
        "growth": growth,
        "accuracy_drop": accuracy_drop,
        "size_mb": size_mb,
        "latency_ms": latency_ms,
        "memory_mb": memory_mb,
        "energy_mj": energy_mj,
    }
    gating = Gating(
        limits=limits_of(folder, budgets, given),
        before=records.read(baseline) if baseline else None,
        folder=folder,
        complete=out is not None,
        bars=Bars(err_console, silent=quiet),
    )
    now = gating.known(candidate)
    if device:
        now, checks, entry = gating.measured(now, device, against, threads, tier)
        records.append(history or Store().root / records.FILE, entry)
    else:
        checks = gating.checks(now)
    verdict = worst(checks)
    name = candidate.as_posix()
    if out:
        records.write(out, records.facts_document(now))
    if junit:
        _write(junit, forms.junit(name, checks))
    if code_quality:
        _write(code_quality, json.dumps(forms.code_quality(name, checks), indent=2))
    if sarif:
        _write(sarif, json.dumps(forms.sarif(name, checks), indent=2))
    if summary:
        _write(summary, forms.markdown(name, checks, verdict), mode="a")
    if as_json:
        print(json.dumps({"verdict": verdict, "checks": plain(checks)}, indent=2))
    elif not quiet:
        _show(checks)
    if checks or not out:
        _conclude(verdict, checks)


def _write(file: Path, text: str, mode: str = "w") -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open(mode, encoding="utf-8") as opened:
            opened.write(text)
    except OSError as error:
        raise OutputError(f"Cannot write {file} ({error.strerror}).") from error


def _show(checks: list[Check]) -> None:
    from edgekit.report import measurement_words

    table = Table(box=None)
    for heading in ("check", "verdict", "why"):
        table.add_column(heading)
    colors = {"pass": "green", "fail": "red"}
    for one in checks:
        color = colors.get(one.verdict, "yellow")
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
    if verdict == "unproven":
        raise GateUnproven(f"The gate is unproven: {lines}.")
