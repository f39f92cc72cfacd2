"""Output of `edgekit bench`: a table, a verdict, a profile, or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edgekit.commands.console import figure, ms, plain
from edgekit.errors import UsageError
from edgekit.suggestions import suggest
from edgekit.types import Energy, Latency, Measurement, Paired, Profile, Target

if TYPE_CHECKING:
    from edgekit.bench.protocol import Metering
    from edgekit.commands.measuring import Asked, Failed, Found

_ROWS = 20


def metering(energy: str, target: str | None, addresses: Sequence[str]) -> Metering:
    """Metering by `--energy` and `--target`; `serial:PATH` names a meter's port with it."""
    from edgekit.agent.meters import METERS
    from edgekit.bench.protocol import Metering

    name, _, path = energy.partition(":")
    if name not in ("auto", "none", "modeled", *METERS):
        known = ["auto", "none", "modeled", *METERS]
        raise UsageError(
            f"No energy meter '{energy}'.{suggest(name, known)} Known: {', '.join(known)}."
        )
    if path and name != "serial":
        raise UsageError(f"'{energy}': only a serial meter has a path.")
    if name == "serial" and not path:
        raise UsageError("Where is the meter? --energy serial:/dev/ttyUSB0, or a file.")
    if name == "modeled":
        return Metering(model_of=_model_of(target, addresses))
    return Metering(meter=name, options={"path": path} if path else {})


def _model_of(name: str | None, addresses: Sequence[str]) -> Target:
    """The profile that a modeled energy is from; it must be of the device that is measured."""
    from edgekit.bench.energy import published_w
    from edgekit.config import targets

    if name is None:
        raise UsageError(
            "--energy modeled needs --target, whose published watts it is from."
        )
    found = targets.load(name, folders=[Path("targets")])
    here = any(one.startswith(("local", "container:")) for one in addresses)
    if here and found.cpu != "host":
        raise UsageError(
            f"Energy of {name} cannot be modeled from times of this machine: name the "
            "board with --device."
        )
    published_w(found)
    return found


def record(asked: Asked, found: Found) -> dict[str, Any]:
    """The measurement as it is kept on disk."""
    from edgekit.bench import history

    slow = None
    if found.profile:
        slow = sum(one.fast is False for one in found.profile.operators)
    return history.document(
        asked.artifact, found.measurement, tier=asked.tier.name, slow_operators=slow
    )


def document(asked: Asked, said: Found | Failed, grid: float | None) -> dict[str, Any]:
    """The document to keep, with the verdict and the profile where there are any; or the
    error."""
    from edgekit.commands.measuring import Failed

    if isinstance(said, Failed):
        kind = type(said.error).__name__
        return {"device": said.address, "error": str(said.error), "kind": kind}
    made = record(asked, said)
    if said.paired:
        made["paired"] = plain(said.paired)
    if said.profile:
        made["profile"] = plain(said.profile)
    if grid is not None:
        made["carbon"] = {
            "grams_per_kwh": grid,
            "grams_per_million_inferences": _grams(said.measurement.energy, grid),
            "method": said.measurement.energy.method,
        }
    return made


def show(
    console: Console, asked: Asked, said: Sequence[Found | Failed], grid: float | None
) -> None:
    """Print everything: a device in full, several in one table."""
    from edgekit.commands.measuring import Found

    found = [one for one in said if isinstance(one, Found)]
    if len(said) > 1:
        _show_devices(console, asked, said, grid)
    elif found and found[0].paired:
        _show_paired(console, found[0].paired, grid)
    elif found:
        _show_measurement(console, found[0].measurement, grid)
    for one in found:
        if one.profile:
            _show_profile(console, one.profile)


def _show_devices(
    console: Console, asked: Asked, said: Sequence[Found | Failed], grid: float | None
) -> None:
    """A line for each device, and below the table what does not fit into a line."""
    from edgekit.commands.measuring import Failed
    from edgekit.report import measurement_words

    table = Table(box=None, title=escape(_title(asked)), title_justify="left")
    paired = ("times the latency", "verdict") if asked.other else ()
    for heading in ("device", "p50 ms", "95 % interval", "p95 ms", "peak MB", *paired):
        table.add_column(heading, justify="left" if heading == "device" else "right")
    notes: list[str] = []
    for one in said:
        if isinstance(one, Failed):
            table.add_row(escape(one.address), "[red]failed[/]")
            continue  # the reason follows at the end, with the exit code
        measured, latency = one.measurement, one.measurement.latency
        name = f"{measured.device} ({measured.provenance})"
        cells = [
            _cell(latency.p50_ms),
            _range(latency.ci95_ms),
            _cell(latency.p95_ms),
            _cell(measured.peak_memory_mb),
        ]
        if one.paired:
            cells += [f"{one.paired.ratio:.3f}", _verdict(one.paired)]
            notes.append(f"{name}: {measurement_words.paired(one.paired)}")
        table.add_row(escape(name), *cells)
        notes += [
            f"{name}: {label}: {value}"
            for label, value in (*_remarks(measured), *_footing(measured, grid))
        ]
    console.print(table)
    for note in notes:
        console.print(escape(note), highlight=False, soft_wrap=True)


def _title(asked: Asked) -> str:
    what = asked.artifact.name
    if asked.other:
        what += f" against {asked.other.files[0]}"
    return f"{what}, {asked.artifact.runtime}, {asked.threads} thread(s), {asked.tier.name}"


def _show_measurement(
    console: Console, measured: Measurement, grid: float | None
) -> None:
    latency = measured.latency
    table = Table(box=None, show_header=False)
    rows: list[tuple[str, str]] = [
        ("runtime", f"{measured.runtime} {measured.runtime_version}"),
        (
            "device",
            f"{measured.device} ({measured.provenance}), {measured.threads} thread(s)",
        ),
    ]
    if measured.instructions is not None:
        rows += [
            ("instructions", f"{measured.instructions:,.0f} in one inference"),
            ("milliseconds", "none: emulation does not give a device's speed"),
        ]
    else:
        rows += [
            ("samples", f"{latency.samples} in {latency.launches} launches"),
            *((f"p{p}", ms(getattr(latency, f"p{p}_ms"))) for p in (50, 90, 95, 99)),
            *([("mean", ms(latency.mean_ms))] if latency.mean_ms else []),
            ("p50, 95 % interval", _interval(measured)),
            ("load", figure(measured.load_ms, "ms")),
            ("first inference", figure(measured.first_ms, "ms")),
        ]
        rows += _sustained(latency)
    rows += [
        ("peak memory", figure(measured.peak_memory_mb, "MB")),
        ("size", figure(measured.size_mb, "MB")),
        *_footing(measured, grid),
        ("conditions", _conditions(measured)),
        *_remarks(measured),
    ]
    for label, value in rows:
        table.add_row(label, escape(value))
    console.print(table)


def _interval(measured: Measurement) -> str:
    latency = measured.latency
    if latency.ci95_ms is None:
        return "too few launches"
    low, high = latency.ci95_ms
    cv = latency.launch_cv or 0.0
    return f"{low:.4g} to {high:.4g} ms; launches vary by {cv:.1%}"


def _sustained(latency: Latency) -> list[tuple[str, str]]:
    """The course of a long run, where it was one."""
    bins = latency.sustained_p50_ms
    if not bins:
        return []
    ratio = latency.sustained_ratio
    kept = "too short to judge" if ratio is None else f"{ratio:.3f}x"
    return [
        ("last/first 10 s", kept),
        ("p50 of each 10 s", f"{min(bins):.4g} to {max(bins):.4g} ms in {len(bins)}"),
    ]


def _remarks(measured: Measurement) -> list[tuple[str, str]]:
    """Obstacles to the figure, and reasons not to quote it."""
    from edgekit.report import measurement_words

    rows = []
    if measured.conditions.unready:
        rows.append(
            (
                "not ready",
                "; ".join(map(measurement_words.unready, measured.conditions.unready)),
            )
        )
    if (why := measurement_words.invalid(measured)) is not None:
        rows.append(("invalid", why))
    return rows


def _footing(measured: Measurement, grid: float | None) -> list[tuple[str, str]]:
    """Energy, and what it means in carbon where a grid was named."""
    carbon = [] if grid is None else [("carbon", _carbon(measured.energy, grid))]
    return [*_energy(measured), *carbon]


def _energy(measured: Measurement) -> list[tuple[str, str]]:
    """Gross and net with their uncertainty, how and where, and the latency of that run."""
    from edgekit.report import measurement_words
    from edgekit.report.words import without_energy

    energy = measured.energy
    if energy.gross_mj is None:
        return [("energy", without_energy(measured))]
    if energy.method == "modeled":
        return [
            (
                "energy",
                f"{energy.gross_mj:.4g} mJ modeled, not measured (band +-"
                f"{energy.gross_u_mj or 0:.2g} mJ, {energy.boundary}): "
                f"{measurement_words.energy_reasons(energy)}",
            )
        ]
    rows = [
        (
            "energy, gross",
            f"{energy.gross_mj:.4g} +-{energy.gross_u_mj or 0:.2g} mJ (k=2), "
            f"{energy.meter}, {energy.method}, {energy.boundary}",
        ),
        (
            "energy, net of idle",
            f"{energy.net_mj or 0:.4g} +-{energy.net_u_mj or 0:.2g} mJ (k=2); idle "
            f"{energy.idle_before_w or 0:.3g} W before, {energy.idle_after_w or 0:.3g} W after",
        ),
        (
            "p50 of that run",
            f"{ms(energy.p50_ms)}; with the meter read {energy.overhead or 0:.1%} less "
            f"throughput{_reader(energy)}, {energy.windows} windows",
        ),
    ]
    if energy.reasons:
        rows.append(("energy, doubts", measurement_words.energy_reasons(energy) or ""))
    return rows


def _reader(energy: Energy) -> str:
    if energy.reader_cpu is None:
        return ""
    return f" (its reader took {energy.reader_cpu:.2%} of a processor)"


def _conditions(measured: Measurement) -> str:
    now = measured.conditions
    parts = [
        f"governor {now.governor}" if now.governor else "",
        f"{now.freq_mhz[0]:.0f}-{now.freq_mhz[1]:.0f} MHz" if now.freq_mhz else "",
        f"{now.temp_c[0]:.0f}-{now.temp_c[1]:.0f} degrees" if now.temp_c else "",
        f"load {now.load[0]:.2f}-{now.load[1]:.2f} by processor" if now.load else "",
        "throttled" if now.throttled else "",
        f"pinned to {', '.join(map(str, now.pinned))}" if now.pinned else "not pinned",
        f"clock in steps of {now.timer_us:.3g} us" if now.timer_us else "",
    ]
    return "; ".join(part for part in parts if part)


def _carbon(energy: Energy, grid: float) -> str:
    grams = _grams(energy, grid)
    if grams is None:
        return "none: there is no energy figure"
    label = " (modeled energy)" if energy.method == "modeled" else ""
    return f"{grams:.4g} g CO2 for a million inferences at {grid:g} g/kWh{label}"


def _grams(energy: Energy, grid: float) -> float | None:
    from edgekit.bench.energy import grams_per_million

    return grams_per_million(energy, grid)


def _show_paired(console: Console, found: Paired, grid: float | None) -> None:
    from edgekit.report import measurement_words

    table = Table(box=None)
    for heading in ("artifact", "p50 ms", "95 % interval", "launches"):
        table.add_column(heading, justify="left" if heading == "artifact" else "right")
    for one in found.measurements:
        latency = one.latency
        table.add_row(
            escape(one.artifact),
            _cell(latency.p50_ms),
            _range(latency.ci95_ms),
            str(latency.launches),
        )
    console.print(table)
    console.print(
        f"{_verdict(found)}: {escape(found.artifact)} takes {found.ratio:.3f} times "
        f"the latency of {escape(found.against)} on {escape(found.device)} "
        f"({found.provenance}), {found.low:.3f} to {found.high:.3f} in {found.pairs} pairs: "
        f"{escape(measurement_words.paired(found))}",
        highlight=False,
    )
    for one in found.measurements:
        for label, value in (*_remarks(one), *_footing(one, grid)):
            console.print(escape(f"{one.artifact}: {label}: {value}"), highlight=False)


def _verdict(found: Paired) -> str:
    color = {"pass": "green", "fail": "red", "inconclusive": "yellow"}[found.verdict]
    return f"[{color}]{found.verdict}[/]"


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _range(interval: tuple[float, float] | None) -> str:
    return f"{interval[0]:.4g} to {interval[1]:.4g}" if interval else "-"


def _show_profile(console: Console, found: Profile) -> None:
    rows = sorted(found.operators, key=lambda one: one.us, reverse=True)
    table = Table(
        box=None, title=f"Time by operator ({found.method})", title_justify="left"
    )
    for heading in ("operator", "kind", "us", "fraction", "kernel"):
        table.add_column(
            heading, justify="right" if heading in ("us", "fraction") else "left"
        )
    for one in rows[:_ROWS]:
        mark = " [red](slow path)[/]" if one.fast is False else ""
        table.add_row(
            escape(one.name[-40:]),
            escape(one.kind) + mark,
            f"{one.us:.2f}",
            f"{one.fraction:.1%}",
            escape(one.kernel or "-"),
        )
    console.print(table)
    if len(rows) > _ROWS:
        console.print(f"... and {len(rows) - _ROWS} more (--json, --plot).")
    slow = [one for one in rows if one.fast is False]
    if slow:
        fraction = sum(one.fraction for one in slow)
        reasons = "; ".join(sorted({one.why or "unknown" for one in slow}))
        console.print(
            f"{len(slow)} operators off the fast path take {fraction:.1%}: {escape(reasons)}"
        )
