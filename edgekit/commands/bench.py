"""`edgekit bench`: measure artifacts, and test whether one is slower than another."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.commands import bench_words as words
from edgekit.commands.console import (
    Bars,
    Json,
    Quiet,
    err_console,
    out_console,
)
from edgekit.errors import (
    BudgetError,
    DeviceError,
    EdgeKitError,
    MeasurementError,
    OutputError,
    UsageError,
)
from edgekit.types import Profile

if TYPE_CHECKING:
    from edgekit.commands.measuring import Asked, Failed, Found

_UNNAMED = ("auto", "none", "modeled")


def bench(  # noqa: PLR0913 - one parameter an option
    artifact: Annotated[Path, typer.Argument(help="A .tflite, .onnx or .xml file.")],
    device: Annotated[
        list[str] | None,
        typer.Option(
            "--device",
            "-d",
            help="local, container:IMAGE, ssh://USER@HOST[:PORT] or adb://SERIAL. Several "
            "are measured side by side.",
            show_default="local",
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            help="Another artifact: is the first slower? Both take turns: 5 pairs of "
            "launches, 20 where those are inconclusive."
        ),
    ] = None,
    runtime: Annotated[
        str | None, typer.Option(help="Runtime, where the file's kind leaves a choice.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of one inference.")] = 1,
    tier: Annotated[
        str,
        typer.Option(
            help="quick (3 launches of 1 s), default (5 of 10 s), report (5 of 12 s, 5 min "
            "between them, refuses a device that is not ready), sustained (5 min)."
        ),
    ] = "quick",
    energy: Annotated[
        str,
        typer.Option(
            help="auto, none, a meter (rapl, perf, pi5-pmic, hwmon, jetson, nvml, battery, "
            "serial:PATH), or modeled."
        ),
    ] = "auto",
    target: Annotated[
        str | None,
        typer.Option(help="Profile whose published watts a modeled energy is from."),
    ] = None,
    grid: Annotated[
        float | None,
        typer.Option(
            min=0, help="Grams of CO2 for a kWh of the grid, for the carbon line."
        ),
    ] = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="Time by operator, too.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Write the profile's plot to this .html file.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write the measurement to this .json file."),
    ] = None,
    history: Annotated[
        Path | None,
        typer.Option(
            help="File that gets a line.", show_default="history.jsonl in the cache"
        ),
    ] = None,
    launches: Annotated[
        int | None, typer.Option(help="Processes to start, instead of the tier's.")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(help="Seconds each of them times, instead of the tier's."),
    ] = None,
    cooldown: Annotated[
        float | None,
        typer.Option(help="Seconds between two rounds, instead of the tier's."),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Let tier report measure a device that is not ready; the figure is marked.",
        ),
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure an artifact on its runtime, in fresh processes on a device.

    An invalid measurement is shown with the reason, and ends with exit code 4, as an
    inconclusive comparison does. A slower artifact ends with 1. Of several devices each is shown,
    also where another fails; a slower artifact counts first, then a device that failed.

        edgekit bench model.tflite --device ssh://pi@raspberrypi
        edgekit bench new.onnx --against old.onnx
    """
    from edgekit.bench.artifact import artifact_at
    from edgekit.bench.tiers import tailored
    from edgekit.commands.measuring import Asked, Failed, Found
    from edgekit.commands.side_by_side import measure_all

    addresses = device or ["local"]
    _check(addresses, against, launches, (("--out", out), ("--plot", plot)))
    plan = tailored(
        tier, launches=launches, seconds=seconds, cooldown_s=cooldown, forced=force
    )
    asked = Asked(
        artifact=artifact_at(artifact, runtime),
        other=artifact_at(against, runtime) if against else None,
        threads=threads,
        tier=plan,
        metering=words.metering(energy, target, addresses),
        profile=profile or plot is not None,
    )
    said = measure_all(asked, addresses, Bars(err_console, silent=quiet))
    found = [one for one in said if isinstance(one, Found)]
    failed = [one for one in said if isinstance(one, Failed)]
    if as_json:
        shown = [words.document(asked, one, grid) for one in said]
        print(json.dumps(shown[0] if len(shown) == 1 else shown, indent=2))
    elif not quiet:
        words.show(out_console, asked, said, grid)
    for one in found:
        _keep(asked, one, out, history)
        if plot and one.profile:
            _plot(one.profile, plot)
    _conclude(found, failed, None if energy in _UNNAMED else energy)


def _check(
    addresses: Sequence[str],
    against: Path | None,
    launches: int | None,
    written: Sequence[tuple[str, Path | None]],
) -> None:
    """Errors that can be found before minutes of measuring."""
    from edgekit.devices.resolve import resolve

    if len(set(addresses)) < len(addresses):
        raise UsageError("The same --device was named twice.")
    if against and launches is not None:
        raise UsageError(
            "--launches is of a single artifact: --against takes 5 or 20 pairs of launches."
        )
    for address in addresses:
        resolve(address)
    for option, file in written:
        if file is None:
            continue
        if len(addresses) > 1:
            raise UsageError(
                f"{option} takes one --device: its file holds one of them."
            )
        there = next((p for p in file.absolute().parents if p.exists()), file)
        if file.is_dir() or not there.is_dir() or not os.access(there, os.W_OK):
            raise OutputError(f"Cannot write {file}. Name another file with {option}.")


def _keep(asked: Asked, found: Found, out: Path | None, history: Path | None) -> None:
    from edgekit.bench import history as records
    from edgekit.store import Store

    entry = words.record(asked, found)
    if out:
        records.write(out, entry)
    records.append(history or Store().root / records.FILE, entry)


def _plot(found: Profile, file: Path) -> None:
    from edgekit.bench.profile import plot

    try:
        file.write_text(plot(found), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"Cannot write {file} ({error.strerror}).") from error


def _conclude(
    found: Sequence[Found], failed: Sequence[Failed], meter: str | None
) -> None:
    """The exit code: a slower artifact, a device that failed, else what must not be quoted.

    A `meter` that was asked for by its name and cannot be read counts as a device that failed.
    """
    from edgekit.report import measurement_words as words

    verdicts = [one.paired for one in found if one.paired]
    slower = [
        f"{one.artifact} is slower than {one.against} on {one.device}: "
        f"{one.ratio:.3f} times the latency ({words.paired(one)})"
        for one in verdicts
        if one.verdict == "fail"
    ]
    untold = [
        f"The comparison of {one.artifact} with {one.against} on {one.device} is "
        f"inconclusive: {words.paired(one)}"
        for one in verdicts
        if one.verdict == "inconclusive"
    ]
    unquotable = [
        f"{measured.artifact} on {measured.device} is not to be quoted: "
        f"{words.invalid(measured)}"
        for measured in (one.measurement for one in found if not one.paired)
        if measured.invalid and measured.instructions is None
    ]
    faults = [one.error for one in failed]
    faults += [one.unprofiled for one in found if one.unprofiled]
    broken = [str(error).rstrip(".") for error in faults]
    if meter:
        broken += [
            f"{one.measurement.device} gave no energy by {meter} (latencies are kept)"
            for one in found
            if one.measurement.energy.gross_mj is None
        ]
    lines = [*slower, *broken, *untold, *unquotable]
    if not lines:
        return
    error: EdgeKitError = MeasurementError("; ".join(lines) + ".")
    if slower:
        error = BudgetError(*error.args)
    elif broken:
        kind = type(faults[0]) if faults else DeviceError
        error = kind(*error.args)
    raise error
