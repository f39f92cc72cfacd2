"""`edgekit bench`: measure one artefact."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from edgekit.commands.console import (
    Bars,
    Json,
    Quiet,
    err_console,
    figure,
    ms,
    out_console,
    plain,
)


def bench(
    artifact: Annotated[Path, typer.Argument(help="A .tflite, .onnx or .xml file.")],
    runtime: Annotated[
        str | None, typer.Option(help="Runtime, where the file's kind leaves a choice.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of one inference.")] = 1,
    tier: Annotated[str, typer.Option(help="quick, default or report.")] = "quick",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure an artefact on its runtime, in fresh processes on this machine."""
    from edgekit.bench.artifact import artifact_at
    from edgekit.bench.protocol import measure
    from edgekit.devices.local import LocalDevice

    one = artifact_at(artifact, runtime)
    with Bars(err_console, silent=quiet).step(f"Measure {artifact.name}") as step:
        found = measure(
            [one], LocalDevice(), tier=tier, threads=threads, on_launch=step.update
        )
    measured = found[one.name]
    if as_json:
        print(json.dumps(plain(measured), indent=2))
        return
    table = Table(box=None, show_header=False)
    latency = measured.latency
    for label, value in (
        ("runtime", f"{measured.runtime} {measured.runtime_version}"),
        (
            "device",
            f"{measured.device} ({measured.source}), {measured.threads} thread(s)",
        ),
        ("samples", f"{latency.samples} in {latency.launches} launches"),
        *((f"p{p}", ms(getattr(latency, f"p{p}_ms"))) for p in (50, 90, 95, 99)),
        ("load", ms(measured.load_ms)),
        ("first inference", ms(measured.first_ms)),
        ("peak memory", figure(measured.peak_memory_mb, "MB")),
        ("size", figure(measured.size_mb, "MB")),
        (
            "energy",
            figure(measured.energy.gross_mj, "mJ") + _because(measured.energy.reason),
        ),
        *([("invalid", measured.invalid)] if measured.invalid else []),
    ):
        table.add_row(label, escape(value))
    if not quiet:
        out_console.print(table)


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""
