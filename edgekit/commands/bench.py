"""`edgekit bench`: measure artefacts, and tell whether one is slower than another."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from edgekit.commands import bench_words as words
from edgekit.commands.console import (
    Bars,
    Json,
    Quiet,
    err_console,
    out_console,
)
from edgekit.errors import BudgetError, MeasurementError, UsageError
from edgekit.types import Artifact, Measurement, Paired, Profile


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
        typer.Option(help="Another artefact: is the first slower? Both take turns."),
    ] = None,
    runtime: Annotated[
        str | None, typer.Option(help="Runtime, where the file's kind leaves a choice.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of one inference.")] = 1,
    tier: Annotated[
        str, typer.Option(help="quick, default, report or sustained.")
    ] = "quick",
    energy: Annotated[
        str,
        typer.Option(
            help="auto, none, a meter (rapl, perf, pi5-pmic, hwmon, jetson, nvml, battery, "
            "serial:PATH), or modelled."
        ),
    ] = "auto",
    target: Annotated[
        str | None,
        typer.Option(help="Profile whose published watts a modelled energy is from."),
    ] = None,
    grid: Annotated[
        float | None,
        typer.Option(help="Grams of CO2 for a kWh of the grid, for the carbon line."),
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
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure an artefact on its runtime, in fresh processes on a device.

    An invalid measurement is shown with the reason, and ends with exit code 4, as an
    inconclusive comparison does. A slower artefact ends with 1.

        edgekit bench model.tflite --device ssh://pi@raspberrypi
        edgekit bench new.onnx --against old.onnx
    """
    from edgekit.bench.artifact import artifact_at

    asked = _Asked(
        artifact=artifact_at(artifact, runtime),
        other=_other(artifact, against, runtime),
        threads=threads,
        tier=tier,
        energy=energy,
        target=target,
        profile=profile or plot is not None,
    )
    addresses = device or ["local"]
    if len(set(addresses)) < len(addresses):
        raise UsageError("The same --device was named twice.")
    if out and len(addresses) > 1:
        raise UsageError("--out takes one --device: its file holds one measurement.")
    bars = Bars(err_console, silent=quiet)
    with ThreadPoolExecutor(max_workers=len(addresses)) as pool:
        jobs = [pool.submit(_measure, asked, one, bars) for one in addresses]
        found = [one.result() for one in jobs]
    for one in found:
        _keep(asked, one, out, history)
        if plot and one.profile:
            _plot(one.profile, plot)
    if as_json:
        shown = [words.document(asked.artifact, one, tier, grid) for one in found]
        print(json.dumps(shown[0] if len(shown) == 1 else shown, indent=2))
    elif not quiet:
        for one in found:
            words.show(out_console, one, grid)
    _conclude(found)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    artifact: Artifact
    other: Artifact | None
    threads: int
    tier: str
    energy: str
    target: str | None
    profile: bool


@dataclass(frozen=True, kw_only=True)
class Found:
    """What one device said of the artefact."""

    measurement: Measurement
    paired: Paired | None = None
    profile: Profile | None = None


def _other(
    artifact: Path, against: Path | None, runtime: str | None
) -> Artifact | None:
    from edgekit.bench.artifact import artifact_at

    if against is None:
        return None
    other = artifact_at(against, runtime)
    same = other.name == artifact.name
    return replace(other, name=str(against)) if same else other


def _measure(asked: _Asked, address: str, bars: Bars) -> Found:
    from edgekit.bench import paired
    from edgekit.bench import profile as profiling
    from edgekit.bench.protocol import measure
    from edgekit.devices.resolve import attached

    metering = words.metering(asked.energy, asked.target, address)
    with attached(address) as device:
        name = asked.artifact.name
        where = f" on {device.name}" if device.name != "local" else ""
        found: Found
        if asked.other:
            other = asked.other
            mine = asked.artifact
            if other.files == mine.files:
                other = replace(other, name=f"{other.name} (again)")
            with bars.step(f"Measure {name} against {other.name}{where}") as step:
                verdict = paired.compare(
                    mine,
                    other,
                    device,
                    tier=asked.tier,
                    threads=asked.threads,
                    on_launch=step.update,
                )
            found = Found(measurement=verdict.measurements[0], paired=verdict)
        else:
            with bars.step(f"Measure {name}{where}") as step:
                measured = measure(
                    [asked.artifact],
                    device,
                    tier=asked.tier,
                    threads=asked.threads,
                    on_launch=step.update,
                    metering=metering,
                )
            found = Found(measurement=measured[name])
        if asked.profile:
            with bars.step(f"Profile {name}{where}"):
                rows = profiling.profile(asked.artifact, device, threads=asked.threads)
            found = replace(found, profile=rows)
    return found


def _keep(asked: _Asked, found: Found, out: Path | None, history: Path | None) -> None:
    from edgekit.bench import history as records
    from edgekit.store import Store

    slow = None
    if found.profile:
        slow = sum(one.fast is False for one in found.profile.operators)
    entry = records.document(
        asked.artifact, found.measurement, tier=asked.tier, slow_operators=slow
    )
    records.append(history or Store().root / records.FILE, entry)
    if out:
        records.write(out, entry)


def _plot(found: Profile, file: Path) -> None:
    from edgekit.bench.profile import plot

    try:
        file.write_text(plot(found), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"Cannot write {file} ({error.strerror}).") from error


def _conclude(found: Sequence[Found]) -> None:
    """The exit code: a slower artefact, else what could not be told or must not be quoted."""
    pairs: list[Any] = [one.paired for one in found if one.paired]
    for one in pairs:
        if one.verdict == "fail":
            raise BudgetError(
                f"{one.artifact} is slower than {one.against} on {one.device}: "
                f"{one.ratio:.3f} times the latency ({one.why})."
            )
    for one in pairs:
        if one.verdict == "inconclusive":
            raise MeasurementError(
                f"Whether {one.artifact} is slower than {one.against} on {one.device} is "
                f"inconclusive: {one.why}."
            )
    for measured in (one.measurement for one in found if not one.paired):
        counted = measured.instructions is not None
        if measured.invalid and not counted:
            raise MeasurementError(
                f"{measured.artifact} on {measured.device} is not to be quoted: "
                f"{measured.invalid}."
            )
