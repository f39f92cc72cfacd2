"""What `edgekit bench` prints: a table, a verdict, a profile, or JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edgekit.commands.console import figure, ms, plain
from edgekit.errors import UsageError
from edgekit.types import Artifact, Energy, Measurement, Paired, Profile, Target

if TYPE_CHECKING:
    from edgekit.bench.protocol import Metering
    from edgekit.commands.bench import Found

_ROWS = 20


def metering(energy: str, target: str | None, address: str) -> Metering:
    """What `--energy` and `--target` ask for; `serial:PATH` names a meter's port with it."""
    from edgekit.agent.meters import METERS
    from edgekit.bench.protocol import Metering

    name, _, path = energy.partition(":")
    if name not in ("auto", "none", "modelled", *METERS):
        known = ", ".join(["auto", "none", "modelled", *METERS])
        raise UsageError(f"No energy meter '{energy}'. Known: {known}.")
    if path and name != "serial":
        raise UsageError(f"'{energy}': only a serial meter has a path.")
    if name == "modelled":
        return Metering(model_of=_model_of(target, address))
    return Metering(meter=name, options={"path": path} if path else {})


def _model_of(name: str | None, address: str) -> Target:
    """The profile that a modelled energy is from; it must be of the device that is measured."""
    from edgekit import targets

    if name is None:
        raise UsageError(
            "--energy modelled needs --target, whose published watts it is from."
        )
    found = targets.load(name, folders=[Path("targets")])
    if address == "local" and found.cpu != "host":
        raise UsageError(
            f"Energy of {name} cannot be modelled from times of this machine: name the "
            "board with --device."
        )
    return found


def document(
    artifact: Artifact, found: Found, tier: str, grid: float | None
) -> dict[str, Any]:
    """The measurement as it is kept, with the verdict and the profile where there are any."""
    from edgekit.bench import history

    made = history.document(artifact, found.measurement, tier=tier)
    if found.paired:
        made["paired"] = plain(found.paired)
    if found.profile:
        made["profile"] = plain(found.profile)
    if grid is not None:
        made["carbon"] = {
            "grams_per_kwh": grid,
            "grams_per_million_inferences": _grams(found.measurement.energy, grid),
            "method": found.measurement.energy.method,
        }
    return made


def show(console: Console, found: Found, grid: float | None) -> None:
    """Print everything."""
    if found.paired:
        _show_paired(console, found.paired)
    else:
        _show_measurement(console, found.measurement, grid)
    if found.profile:
        _show_profile(console, found.profile)


def _show_measurement(
    console: Console, measured: Measurement, grid: float | None
) -> None:
    latency = measured.latency
    table = Table(box=None, show_header=False)
    rows: list[tuple[str, str]] = [
        ("runtime", f"{measured.runtime} {measured.runtime_version}"),
        (
            "device",
            f"{measured.device} ({measured.source}), {measured.threads} thread(s)",
        ),
    ]
    if measured.instructions is not None:
        rows += [
            ("instructions", f"{measured.instructions:,.0f} in one inference"),
            ("milliseconds", "none: emulation says nothing about a device's speed"),
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
        if latency.sustained_ratio is not None:
            rows.append(("last/first 10 s", f"{latency.sustained_ratio:.3f}x"))
    rows += [
        ("peak memory", figure(measured.peak_memory_mb, "MB")),
        ("size", figure(measured.size_mb, "MB")),
        *_energy(measured.energy),
        ("conditions", _conditions(measured)),
    ]
    if grid is not None:
        rows.append(("carbon", _carbon(measured.energy, grid)))
    if measured.invalid:
        rows.append(("invalid", measured.invalid))
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


def _energy(energy: Energy) -> list[tuple[str, str]]:
    """Gross and net with their uncertainty, how and where, and the latency of that run."""
    if energy.gross_mj is None:
        reason = f": {energy.reason}" if energy.reason else ""
        return [("energy", f"not measured{reason}")]
    if energy.method == "modelled":
        return [
            (
                "energy",
                f"{energy.gross_mj:.4g} mJ modelled, not measured (band +-"
                f"{energy.gross_u_mj or 0:.2g} mJ, {energy.boundary}): {energy.reason}",
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
            f"{ms(energy.p50_ms)}; reading the meter cost {energy.overhead or 0:.1%} of the "
            f"throughput, {energy.windows} windows",
        ),
    ]
    if energy.reason:
        rows.append(("energy, doubts", energy.reason))
    return rows


def _conditions(measured: Measurement) -> str:
    now = measured.conditions
    parts = [
        f"governor {now.governor}" if now.governor else "",
        f"{now.freq_mhz[0]:.0f}-{now.freq_mhz[1]:.0f} MHz" if now.freq_mhz else "",
        f"{now.temp_c[0]:.0f}-{now.temp_c[1]:.0f} degrees" if now.temp_c else "",
        f"load {now.load[0]:.2f}-{now.load[1]:.2f} by processor" if now.load else "",
        "throttled" if now.throttled else "",
        f"pinned to {', '.join(map(str, now.pinned))}" if now.pinned else "not pinned",
    ]
    return "; ".join(part for part in parts if part)


def _carbon(energy: Energy, grid: float) -> str:
    grams = _grams(energy, grid)
    if grams is None:
        return "none: there is no energy figure"
    label = " (modelled energy)" if energy.method == "modelled" else ""
    return f"{grams:.4g} g CO2 for a million inferences at {grid:g} g/kWh{label}"


def _grams(energy: Energy, grid: float) -> float | None:
    from edgekit.bench.energy import grams_per_million

    return grams_per_million(energy, grid)


def _show_paired(console: Console, found: Paired) -> None:
    table = Table(box=None)
    for heading in ("artefact", "p50 ms", "95 % interval", "launches"):
        table.add_column(heading, justify="left" if heading == "artefact" else "right")
    for one in found.measurements:
        latency = one.latency
        ci = latency.ci95_ms
        table.add_row(
            escape(one.artifact),
            f"{latency.p50_ms:.4g}" if latency.p50_ms else "-",
            f"{ci[0]:.4g} to {ci[1]:.4g}" if ci else "-",
            str(latency.launches),
        )
    console.print(table)
    colour = {"pass": "green", "fail": "red", "inconclusive": "yellow"}[found.verdict]
    console.print(
        f"[{colour}]{found.verdict}[/]: {escape(found.artifact)} takes {found.ratio:.3f} times "
        f"the latency of {escape(found.against)} on {escape(found.device)} "
        f"({found.source}), {found.low:.3f} to {found.high:.3f} in {found.pairs} pairs: "
        f"{escape(found.why)}",
        highlight=False,
    )


def _show_profile(console: Console, found: Profile) -> None:
    rows = sorted(found.operators, key=lambda one: one.us, reverse=True)
    table = Table(
        box=None, title=f"Time by operator ({found.method})", title_justify="left"
    )
    for heading in ("operator", "kind", "us", "share", "kernel"):
        table.add_column(
            heading, justify="right" if heading in ("us", "share") else "left"
        )
    for one in rows[:_ROWS]:
        mark = " [red](slow path)[/]" if one.fast is False else ""
        table.add_row(
            escape(one.name[-40:]),
            escape(one.kind) + mark,
            f"{one.us:.2f}",
            f"{one.share:.1%}",
            escape(one.kernel or "-"),
        )
    console.print(table)
    if len(rows) > _ROWS:
        console.print(f"... and {len(rows) - _ROWS} more (--json, --plot).")
    slow = [one for one in rows if one.fast is False]
    if slow:
        share = sum(one.share for one in slow)
        reasons = "; ".join(sorted({one.why or "unknown" for one in slow}))
        console.print(
            f"{len(slow)} operators off the fast path take {share:.1%}: {escape(reasons)}"
        )
