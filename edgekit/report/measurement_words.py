"""The words of measurements: faults of a run, doubts about energy, obstacles to comparisons."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from edgekit.types import Check, Energy, GateVerdict, Measurement, Paired
from edgekit.types import measurement_notes as kinds
from edgekit.types.evaluation import shown
from edgekit.types.measurement_notes import (
    EnergyReason,
    Incomparable,
    LaunchesPaired,
    MeasurementFault,
    Unready,
)

NO_METER = "no meter found"


def unready(found: Unready) -> str:
    """An obstacle to a quotable figure, with its remedy."""
    match found.kind:
        case "governor":
            return f"the governor is {found.value}: sudo cpupower frequency-set -g performance"
        case "throttled":
            return "the firmware holds the clock down: a better supply, or cooling"
        case "temp_c":
            return (
                f"it is {found.value:.0f} degrees warm, {found.limit:g} at most: let it cool "
                "down"
            )
        case "load":
            return (
                f"its load is {found.value:.2f} by processor, {found.limit:g} at most: stop "
                "what else runs"
            )
        case "on_battery":
            return "it runs on its battery: plug the supply in"
        case other:
            assert_never(other)


def fault(found: MeasurementFault) -> str:
    """Why a run should not be quoted."""
    match found:
        case kinds.NotTimed():
            return f"{found.detail} No milliseconds hold"
        case kinds.Throttled():
            return _THROTTLED[found.kind]
        case kinds.QuotaStalled():
            return (
                f"the container's processor quota ran out {found.stalls} times: it stalls "
                "inferences, and does not slow the processor"
            )
        case kinds.ProcessorShared():
            return (
                f"the process had {found.fraction:.0%} of a processor while it was timed: "
                "others ran meanwhile"
            )
        case kinds.ClockFell():
            drop = 1 - found.to_mhz / found.from_mhz
            return (
                f"the clock fell by {drop:.0%} ({found.from_mhz:.0f} to {found.to_mhz:.0f} "
                f"MHz), more than {found.limit:.0%}"
            )
        case kinds.Unready():
            return unready(found)
        case kinds.LaunchesCut():
            return (
                f"{found.cut} of {found.launches} launches timed fewer than "
                f"{found.min_runs} inferences in {found.max_s:g} s"
            )
        case kinds.NoPlateau():
            return f"no launch reached a plateau in {found.warmup_s:g} s of warm-up"
        case kinds.LaunchesVary():
            return (
                f"the launches' medians vary by {found.cv:.0%}, more than {found.limit:.0%}: "
                "a busy machine, or where memory happened to lie"
            )
        case other:
            assert_never(other)


_THROTTLED = {
    "throttled_by_firmware": "the device's firmware held its clock down (throttling)",
    "throttled_for_heat": "the processor slowed itself down for heat",
}


def invalid(measured: Measurement) -> str | None:
    """Why a measurement should not be quoted; `None` where it may be."""
    return "; ".join(map(fault, measured.invalid)) or None


def energy_reason(found: EnergyReason) -> str:
    """Why there is no energy, or why to doubt it."""
    match found:
        case kinds.EnergyNotRequested():
            return "Energy was not asked for."
        case kinds.NoMeter():
            return found.detail or NO_METER
        case kinds.MeterStarved():
            return (
                "Every window had a gap between two readings of more than "
                f"{found.periods:g} periods: the machine was too busy to read its meter."
            )
        case kinds.IdleDrifted():
            return (
                f"idle power drifted by {found.drift:.0%} ({found.before_w:.3g} W before, "
                f"{found.after_w:.3g} W after), more than {found.limit:.0%}: do not quote this "
                "figure"
            )
        case kinds.ThroughputChanged():
            return (
                f"throughput with the meter read differed by {found.overhead:.1%} from "
                "without it"
            )
        case kinds.WindowsDropped():
            return f"{found.windows} windows with gaps between readings were dropped"
        case kinds.EnergyModeled():
            return (
                f"Modeled from published watts of {found.target} ({found.provenance}) and "
                f"processor time, within +-{found.band:.0%}; never to be compared with a "
                "measured figure."
            )
        case other:
            assert_never(other)


def energy_reasons(found: Energy) -> str | None:
    """Why there is no energy, or all doubts about it; `None` without any."""
    return doubts(found.reasons) or None


def doubts(found: Iterable[MeasurementFault | EnergyReason]) -> str:
    """Reasons not to quote a figure, in one line."""
    return "; ".join(
        energy_reason(one) if isinstance(one, EnergyReason) else fault(one)
        for one in found
    )


def unmetered(found: kinds.OperatorsUnmetered) -> str:
    """Why operators have no energy of their own."""
    match found.kind:
        case "costs_not_timed":
            return f"costs are {found.value}"
        case "costs_without_power":
            return f"costs are {found.value}, and have no power"
        case "no_meter":
            names = ", ".join(found.meters)
            return f"{NO_METER}: {names}" if names else found.value
        case "none_resolved":
            return f"{found.value} resolved the power of no operator"
        case other:
            assert_never(other)


def incomparable(found: Incomparable) -> str:
    """Why two figures must not be compared."""
    match found:
        case kinds.MeasuredApart():
            one, other = found.values
            return f"they differ in {found.of} ({one}, {other})"
        case kinds.EnergyAbsent():
            return "one of them has no energy figure"
        case kinds.EnergyMetered(kind="methods_differ", values=(one, other)):
            return f"their energies are {one} and {other}"
        case kinds.EnergyMetered(values=(one, other)):
            return f"their meters enclose different things ({one}, {other})"
        case rest:
            assert_never(rest)


def paired(found: Paired) -> str:
    """The verdict on paired launches, with its limit or bounds, and the confidence."""
    return _paired(found.verdict, found)


def _fact(
    basis: kinds.Compared | kinds.ContractParts | kinds.WithinLimit, found: Check
) -> str:
    """The fact of a check, in words."""
    match basis:
        case kinds.WithinLimit():
            return f"{found.now:.4g}, at least {found.before:g}"
        case kinds.Compared(relative_error=error):
            answers = "as" if basis.agrees else "otherwise than"
            off = "" if error is None else f", relative error {error:.2g}"
            where = f"{basis.reference} on {basis.samples} samples"
            return f"answers {answers} {where}{off}"
        case kinds.ContractParts(changed=changed):
            same = "inputs, outputs and preprocessing are the baseline's"
            return f"changed: {', '.join(changed)}" if changed else same


def _paired(verdict: GateVerdict, found: Paired | LaunchesPaired) -> str:
    sure = f"{found.confidence:.1%}".replace(".0%", "%")
    if verdict == "fail":
        return f"slower by more than {found.slower - 1:.0%}, with {sure} confidence"
    if verdict == "pass":
        return f"no slower than by {found.tolerated - 1:.0%}, with {sure} confidence"
    return (
        f"between {found.low:.3f} and {found.high:.3f} times the latency ({sure} "
        "bounds): too noisy a machine to decide. Measure where nothing else runs, "
        "or with a longer tier"
    )


def check(found: Check) -> str:
    """The basis of a check of a gate, and its result."""
    match found.basis:
        case kinds.Compared() | kinds.ContractParts() | kinds.WithinLimit(least=True):
            return _fact(found.basis, found)
        case kinds.NotMeasured():
            return "not measured"
        case kinds.WithinLimit(doubts=reasons):
            doubt = f", but {doubts(reasons)}" if reasons else ""
            return f"{found.now:.4g} of {found.before:g} allowed{doubt}"
        case kinds.Counted(growth=growth):
            allowed = f", {growth:.1%} more allowed"
            beyond = allowed if found.verdict == "fail" and growth else ""
            return f"{found.now:,.0f} after {found.before:,.0f}{beyond}"
        case kinds.Scored(is_fraction=of_one, allowed=drop):
            ours, theirs = (
                shown(value or 0.0, is_fraction=of_one)
                for value in (found.now, found.before)
            )
            beyond = f", {drop:g} less allowed"
            return f"{ours} after {theirs}{beyond if found.verdict == 'fail' and drop else ''}"
        case kinds.NothingPaired():
            return (
                "the baseline's artifact is not where it was measured, and only launches "
                "that take turns are comparable: name it with --against, or set --latency-ms"
            )
        case kinds.LaunchesPaired() as basis:
            words = _paired(found.verdict, basis)
            return f"{basis.ratio:.3f} times the latency: {words}"
        case kinds.EnergyBeside(u_mj=u_mj):
            return f"{found.now:.4g} mJ after {found.before:.4g} mJ (+-{u_mj:.2g} mJ)"
        case kinds.EnergyUnjudged(kind="energy_modeled_only"):
            return "modeled energy never gates"
        case kinds.EnergyUnjudged(doubts=reasons):
            return doubts(reasons)
        case kinds.MeasuredApart(of="device", values=(one, other)) if (
            found.name == "energy"
        ):
            return f"measured on different devices ({one}, {other})"
        case rest:
            return incomparable(rest)


def taken_shown(taken: str | None, device: str) -> str:
    """When and where a measurement was taken, for display."""
    where = "this machine" if device == "local" else device
    if taken is None:
        return f"at an unknown time on {where}"
    return f"{taken[:16].replace('T', ' ')} UTC on {where}"
