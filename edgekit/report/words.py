"""Words of figures: units, missing figures and their reasons, provenance."""

from __future__ import annotations

from edgekit.report.measurement_words import energy_reasons
from edgekit.report.verdict_words import budget_reason
from edgekit.runtimes import registry
from edgekit.types import (
    AccuracyOutlook,
    AccuracyUnknown,
    Barrier,
    BudgetVerdict,
    Candidate,
    CostUnit,
    Drawing,
    Evaluation,
    ExpectedAccuracy,
    Measurement,
    Provenance,
    Report,
    Verdict,
    shown_loss,
)
from edgekit.types.evaluation import shown

MISSING = "not measured"
CONVERTED = (
    "converted, not run: no latency, no accuracy and no comparison with the network"
)
_METERS_NAMED = 3
PROVENANCE: dict[Provenance, str] = {
    "device": "timed on the device",
    "host": "timed on this machine",
    "counted": "instructions counted under emulation",
    "estimated": "estimated from the device's profile, not measured",
}
COST_UNITS: dict[CostUnit, str] = {
    "us": "µs",
    "instructions": "instructions",
    "operations": "operations",
}
VERDICTS: dict[Verdict, str] = {
    "fits": "Fits the budget",
    "over": "Over budget",
    "unproven": "Unproven",
}
BUDGETS = {
    "latency_ms": ("Latency, p50", "ms", "at most"),
    "speedup": ("Speed-up", "x", "at least"),
    "size_mb": ("Size", "MiB", "at most"),
    "memory_mb": ("Peak memory", "MiB", "at most"),
    "mmacs": ("Operations", "million multiply-adds", "at most"),
    "energy_mj": ("Energy per inference", "mJ", "at most"),
    "accuracy_drop": ("Accuracy lost", "points", "at most"),
}


# --- figures ----------------------------------------------------------------------------------


def figure(value: float | None, unit: str = "", digits: int = 3) -> str:
    """`value` to `digits` significant digits with its unit, or that nobody measured it."""
    if value is None:
        return MISSING
    whole = len(str(int(abs(value))))
    text = f"{value:,.0f}" if whole >= digits else f"{value:#.{digits}g}"
    return f"{text}{unit}" if unit in ("x", "") else f"{text} {unit}"


def fraction(value: float | None) -> str:
    """A fraction in percent; `None` is missing."""
    return MISSING if value is None else f"{100 * value:.2f} %"


def budget_name(verdict: BudgetVerdict) -> str:
    """The name of a budget, with its metric."""
    if verdict.metric not in (None, "accuracy"):
        return f"{headed(str(verdict.metric))}, worse by"
    return BUDGETS.get(verdict.name, (verdict.name, "", ""))[0]


def budget_limit(verdict: BudgetVerdict) -> str:
    """The limit of a budget with its unit."""
    _, unit, side = BUDGETS.get(verdict.name, ("", "", "limit"))
    if verdict.unit not in (None, "points"):
        return f"{side} {_budget_figure(verdict.limit, str(verdict.unit))}"
    limit = verdict.limit * 100 if unit == "points" else verdict.limit
    unit = "point" if unit == "points" and limit == 1 else unit
    return f"{side} {limit:g}{'' if unit == 'x' else ' '}{unit}".rstrip()


def budget_value(verdict: BudgetVerdict) -> str:
    """The measured value of a budget with its unit."""
    unit = verdict.unit or BUDGETS.get(verdict.name, ("", "", ""))[1]
    found = _budget_figure(verdict.value, unit)
    if verdict.interval is None or verdict.unit is None:
        return found
    low, high = (shown_loss(bound, verdict.unit) for bound in verdict.interval)
    return f"{found} (95 %: {low.removesuffix(' points')} to {high})"


def _budget_figure(value: float | None, unit: str) -> str:
    if unit in ("points", "%", "own") and value is not None:
        return shown_loss(value, unit)  # type: ignore[arg-type]
    return figure(value, unit)


def headed(text: str) -> str:
    """With a capital, to stand above a column."""
    return text[:1].upper() + text[1:]


def metric(evaluation: Evaluation) -> str:
    """A metric's value: in percent where it goes from 0 to 1."""
    return (
        fraction(evaluation.value)
        if evaluation.is_fraction
        else figure(evaluation.value)
    )


def lost(candidate: Candidate) -> str:
    """The loss of a candidate in the task's metric, as a sentence's end."""
    drop, evaluation = candidate.accuracy_drop, candidate.evaluation
    text = shown_loss(max(0.0, drop), candidate.loss_unit)
    if evaluation.higher_is_better:
        return f"loses {text} of {evaluation.metric}"
    if drop <= 0:
        return f"has no higher {evaluation.metric}"
    return f"has a {evaluation.metric} {text} higher"


def shown_loss_of(candidate: Candidate) -> str:
    """The loss as a figure: a table's heading names the metric."""
    return shown_loss(candidate.accuracy_drop, candidate.loss_unit).removesuffix(
        " points"
    )


# --- sentences --------------------------------------------------------------------------------


def title(report: Report) -> str:
    """The verdict as a heading."""
    return VERDICTS[report.verdict] if report.verdicts else "No budget set"


def headline(chosen: Candidate, target: str, *, proven: bool) -> str:
    """Speed-up and loss of the chosen artifact; `proven` where they hold on the target."""
    measured = chosen.measurement
    where = measured.device if proven else f"this machine ({measured.device})"
    faster = f"{chosen.speedup:.2f}x as fast as the unpruned network"
    if chosen.speedup < 1:
        faster = f"not faster than the unpruned network ({chosen.speedup:.2f}x)"
    line = (
        f"{chosen.artifact.name} is {faster} on {where}, {measured.runtime}, and "
        f"{lost(chosen)}."
    )
    if not proven:
        line += f" Milliseconds on {target} are unproven: none was attached."
    return line


def statement(report: Report) -> str:
    """Proven and unproven results, in words that may be quoted."""
    parts = []
    for verdict, opening in (("over", "Over budget"), ("unproven", "Unproven")):
        found = [v for v in report.verdicts if v.verdict == verdict]
        parts += [
            f"{opening}: {budget_name(v).lower()} ({budget_reason(v)})." for v in found
        ]
    if not report.verdicts:
        parts.append("Without a budget there is nothing to prove.")
    elif not parts:
        parts.append("Every budget is met.")
    if report.chosen is None:
        parts.append("No artifact was chosen.")
    return " ".join([*parts, *elsewhere(report)])


def elsewhere(report: Report) -> list[str]:
    """Return that times are not the target's, where they are not."""
    measured = [*report.baselines, *(c.measurement for c in report.candidates)]
    foreign = {m.provenance for m in measured} - {"device"}
    if not foreign or (foreign == {"host"} and report.target.name == "host"):
        return []
    if foreign == {"host"}:
        return [
            f"Every time here was measured on this machine, not on {report.target.name}: "
            "compare times with each other, and quote none for the device."
        ]
    return [
        f"Times come from: {', '.join(PROVENANCE[one] for one in sorted(foreign))}."
    ]


def timed(measurement: Measurement) -> str:
    """Device, runtime, threads and launches of a latency."""
    latency = measurement.latency
    threads = f"{measurement.threads} thread{'s' * (measurement.threads != 1)}"
    return (
        f"{PROVENANCE[measurement.provenance]} ({measurement.device}): {latency.samples:,} "
        f"inferences in {latency.launches} fresh processes, {measurement.runtime} "
        f"{measurement.runtime_version}, {threads}"
    )


def absences(report: Report) -> list[str]:
    """Figures of artifacts that were not measured, with the reasons."""
    measured = [*report.baselines, *(c.measurement for c in report.candidates)]
    found: dict[str, list[str]] = {}
    for one in measured:
        for name, value in (
            ("p50", one.latency.p50_ms),
            ("p90", one.latency.p90_ms),
            ("p95", one.latency.p95_ms),
            ("p99", one.latency.p99_ms),
        ):
            if value is None:
                why = f"{one.latency.samples:,} inferences are too few to bound it"
                found.setdefault(f"{name} {MISSING}: {why}", []).append(one.artifact)
        if one.peak_memory_mb is None:
            found.setdefault(f"peak memory {memory(one)}", []).append(one.artifact)
    return [f"{what} ({', '.join(names)})." for what, names in found.items()]


def memory(measurement: Measurement) -> str:
    """Provenance of a peak memory, or the reason why it is missing."""
    if measurement.peak_memory_mb is None:
        return f"{MISSING}: the system reported no peak for the process"
    return "peak resident memory of the process that ran the artifact"


def without_energy(measurement: Measurement) -> str:
    """Return that there is no energy, why, and which command lists what each meter lacks."""
    found = measurement.energy
    reason = (energy_reasons(found) or "no reason recorded").rstrip(".")
    if not found.unreadable:
        return f"{MISSING}: {reason}"
    names = [*found.unreadable][:_METERS_NAMED]
    more = ["..."] if len(found.unreadable) > len(names) else []
    place = measurement.device
    command = "doctor" if place == "local" else f"devices probe {place}"
    return f"{MISSING} ({reason}: {', '.join(names + more)}); `edgekit {command}` lists why"


def energy(measurement: Measurement) -> str:
    """Method and boundary of an energy, or the reason why it is missing."""
    found = measurement.energy
    if found.gross_mj is None and found.net_mj is None:
        return without_energy(measurement)
    how = {"modeled": "modeled, not measured"}.get(found.method, found.method)
    return f"{how}, boundary: {found.boundary or 'unknown'}"


def unmetered(report: Report) -> list[str]:
    """Why there is no energy, each reason once with the artifacts that it holds for."""
    found: dict[str, list[str]] = {}
    for one in report.candidates:
        if one.measurement.energy.gross_mj is None:
            why = f"Energy {without_energy(one.measurement)}"
            found.setdefault(why, []).append(one.artifact.name)
    return [f"{what} ({', '.join(names)})." for what, names in found.items()]


def converted(report: Report) -> str:
    """Missing figures of files that are converted and not run."""
    named = dict.fromkeys(
        registry.get(one.artifact.runtime).title for one in report.converted
    )
    return f"{' and '.join(named)}: {CONVERTED}."


def barrier(found: Barrier) -> str:
    """Operators that keep their dimensions whole, with the reasons."""
    return f"{found.operator} at {found.node}: {found.why}"


def evaluated(candidate: Candidate) -> str:
    """Provenance of a candidate's metric."""
    return (
        f"{candidate.evaluation.metric} of the artifact on {candidate.measurement.runtime}, "
        f"{candidate.evaluation.samples:,} evaluation samples"
    )


def compared(candidate: Candidate) -> str:
    """Provenance of a speed-up."""
    return (
        f"unpruned fp32 network over this artifact on {candidate.measurement.runtime}: "
        f"paired, interleaved launches in one run, {PROVENANCE[candidate.measurement.provenance]}"
    )


def outlook(found: AccuracyOutlook) -> str:
    """The accuracy expected of a plan, its band and what it rests on, and the outcome."""
    if found.expected is None:
        words = f"no accuracy can be expected: {unknown(found.unknown)}"
    else:
        words = f"expected {found.expected.metric} {expected(found.expected)}"
    if found.outcome is None:
        return words
    is_fraction = found.expected is None or found.expected.is_fraction
    words += f"; {shown(found.outcome, is_fraction=is_fraction)} found"
    if found.inside is None:
        return words
    return f"{words}, {'inside' if found.inside else 'outside of'} the band"


def expected(found: ExpectedAccuracy) -> str:
    """The value, its band, and the number of trained networks behind it."""
    return f"{found.shown}, {experience(found)}"


def experience(found: ExpectedAccuracy) -> str:
    """The number of trained networks behind an expected value."""
    if not found.trained:
        return "by a prior alone"
    own = f", {found.own} of this one" if found.own else ""
    return f"by {found.trained} trained before{own}"


def unknown(found: AccuracyUnknown | None) -> str:
    """Why no accuracy can be expected."""
    if found is not None and found.reason == "metric_without_scale":
        return "losses of its metric have no scale that networks share"
    return "no cut was tried"


def drawing(found: Drawing) -> str:
    """Words for the drawing over a picture: classes of boxes or a mask, or the number of points."""
    if found.mask is not None:
        return ", ".join(found.mask.classes) or "nothing"
    if found.points is not None:
        return f"{len(found.points)} point{'s' * (len(found.points) != 1)}"
    return ", ".join(one.label for one in found.boxes) or "no box"


def box_color(label: str, report: Report) -> int:
    """Number of the color of a class's boxes, of five."""
    labels = {
        one.label
        for picture in report.pictures
        for drawn in picture.drawn
        for one in drawn.boxes
    }
    return sorted(labels).index(label) % 5
