"""Output of `edgekit diff`: in one line, and on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edgekit.report.export_words import departure
from edgekit.report.note_words import sentence
from edgekit.types.diff import (
    Diff,
    Distance,
    LayerDiff,
    Line,
    OffPath,
    PreprocessingDiff,
    PreprocessingEvidence,
)

_ROWS = 24
_LONG = 48


def show(found: Diff, console: Console) -> None:
    """Verdict first, then why, then layers and what runs beside the fast path."""
    verdict = "[red]diverges from[/]"
    if found.outputs_agree:
        verdict = "[green]agrees with[/]"
    console.print(
        f"[bold]{escape(found.artifact)}[/] ({found.runtime}, {found.precision}) {verdict} "
        f"{escape(found.reference)} on {found.samples} samples, {found.device}",
        highlight=False,
    )
    for line in _lines(found):
        console.print(f"  {line}", highlight=False, soft_wrap=True)
    if found.layers:
        console.print(_layers(found))
    for note in found.notes:
        console.print(escape(sentence(note)), style="dim", highlight=False)


def _lines(found: Diff) -> Iterator[str]:
    for output in found.outputs:
        same = (
            ""
            if output.parity.agreement is None
            else (f", same decision on {output.parity.agreement:.1%}")
        )
        yield f"output {escape(output.name)}: {_words(output.distance)}{same}"
    if found.accuracy:
        yield "accuracy: " + ", ".join(
            f"{who} {fraction:.1%}" for who, fraction in found.accuracy.items()
        )
    at = found.divergence
    if at is not None:
        apart = "" if at.distance is None else f": {_words(at.distance)}"
        place = f"layer [bold]{escape(at.layer or at.node or 'unknown')}[/]"
        yield (
            f"[red]first to depart[/]: {escape(at.kind)} '{escape(short(at.operator))}', "
            f"{place} ({escape(at.node)}), after '{escape(short(at.after))}'{apart}"
        )
    for one in found.preprocessing:
        mark = "[red]preprocessing[/]" if one.differs else "preprocessing"
        left = (
            ""
            if one.error_before is None
            else (
                f"; error {one.error_before:.2g}, {one.error_after:.2g} with it"
                if one.faults and one.error_after is not None
                else f"; error {one.error_before:.2g}"
            )
        )
        said = _preprocessing(one) if one.differs else one.where
        yield f"{mark}: {escape(said)} ({escape(_evidence(one.evidence))}{left})"
    for count in found.counts:
        ran = "" if count.executed is None else f", {count.executed} ran"
        yield (
            f"{count.sort}: {count.file} in the file, {count.network} in the network, "
            f"{count.inserted} inserted{ran}"
        )
    if found.off_path is None:
        yield "accelerated path: the runtime does not report it here"
    else:
        yield f"off the accelerated path: {len(found.off_path)} operators"
        for slow in found.off_path[:_ROWS]:
            yield f"  {escape(slow.kind)} '{escape(slow.operator)}': {escape(_off_path(slow))}"


def _layers(found: Diff) -> Table:
    table = Table(
        title=f"Layers, {found.samples_traced} samples "
        f"({found.unmatched} operators have no counterpart)",
        title_justify="left",
        box=None,
    )
    for heading in ("layer", "network", "artifact", "error", "cosine", "SQNR dB"):
        right = heading in ("error", "cosine", "SQNR dB")
        table.add_column(heading, justify="right" if right else "left", no_wrap=True)
    for row in _is_notable(found):
        apart = row.distance
        sqnr = "" if apart.sqnr_db is None else f"{apart.sqnr_db:.1f}"
        table.add_row(
            escape(row.layer),
            escape(row.node),
            escape(row.kind),
            f"{apart.relative_error:.2g}",
            f"{apart.cosine:.5f}",
            sqnr,
        )
    return table


def _is_notable(found: Diff) -> list[LayerDiff]:
    """In order; of many, those that are furthest off."""
    rows = list(found.layers)
    if len(rows) <= _ROWS:
        return rows
    bar = sorted(row.distance.relative_error for row in rows)[-_ROWS]
    return [row for row in rows if row.distance.relative_error >= bar][:_ROWS]


def _words(apart: Distance) -> str:
    sqnr = "" if apart.sqnr_db is None else f", SQNR {apart.sqnr_db:.1f} dB"
    return f"relative error {apart.relative_error:.2g}, cosine {apart.cosine:.5f}{sqnr}"


def short(operator: str) -> str:
    """The end of an operator's name: LiteRT strings together all that it fused."""
    return operator if len(operator) <= _LONG else f"...{operator[-_LONG:]}"


def summary(found: Diff) -> str:
    """In one line, why the artifact is not the network, or not as it is used."""
    reasons = [_preprocessing(one) for one in found.preprocessing if one.differs]
    if found.outputs_agree:
        return f"{found.artifact} is {found.reference}, but {'; '.join(reasons)}."
    at = found.divergence
    if at is not None:
        reasons.append(
            f"{at.kind} '{short(at.operator)}', layer {at.layer or at.node or 'unknown'}, is the "
            "first operator that departs"
        )
    elif not reasons:
        reasons.append("its outputs differ, though every layer agrees when it is shown")
    [fault, *_] = [one.fault for one in found.outputs if one.fault is not None]
    return (
        f"{found.artifact} is not {found.reference}: {'; '.join(reasons)}. "
        f"{departure(found.artifact, fault)}."
    )


def _off_path(slow: OffPath) -> str:
    if slow.kernel is not None:
        return f"runs in float ({slow.kernel}), though the network is int8"
    return slow.detail or "the runtime gives no reason"


def _evidence(found: PreprocessingEvidence) -> str:
    """By what a finding about preprocessing was made."""
    match found.kind:
        case "shapes":
            fed, expected = found.fed_shape, found.expected_shape
            return f"fed {list(fed)}, the network takes {list(expected)}"
        case "channels":
            expected_fits = _fits(found.expected_channels)
            return f"by channel {_fits(found.fed_channels)}; should be {expected_fits}"
        case other:
            return _EVIDENCE[other]


def _fits(channels: Sequence[Line]) -> str:
    """The line of each channel, once where several have the same."""
    lines = [f"{slope:.4g} x value {offset:+.4g}" for slope, offset in channels]
    return "; ".join(dict.fromkeys(lines))


_EVIDENCE = {
    "as_prepared": "as the project prepares samples",
    "values": "visible in the values themselves",
    "network_outputs": "with it the artifact answers as the network does",
    "artifact_outputs": "as the artifact answers here",
    "outputs_alone": "inferred from the outputs alone",
    "metadata": "the artifact was built with other preprocessing than the project has now",
}


def _preprocessing(one: PreprocessingDiff) -> str:
    """One finding as the end of a sentence."""
    what = " and ".join(one.faults) or "no known fault explains it"
    return {
        "fed": f"the application feeds it {what}",
        "expected": f"it expects {what}",
        "contract": f"its metadata has {what}",
        "answers": f"the application's answers are those of {what}",
    }[one.where]
